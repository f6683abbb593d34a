"""The keys of the run screen: what is bound, in which panel it works, and what the help says."""

from textual.binding import Binding, BindingType

PANELS = ("charts", "preview", "codebook", "log", "run")

BINDINGS: list[BindingType] = [
    Binding("q", "app.quit", "Quit"),
    Binding("question_mark", "help", "Help", key_display="?"),
    Binding("tab", "next_panel(1)", "Panel", key_display="tab"),
    Binding("shift+tab", "next_panel(-1)", "Panel", show=False),
    *(Binding(str(number), f"panel({number - 1})", name, show=False) for number, name in enumerate(PANELS, 1)),
    Binding("enter", "enlarge", "Zoom"),
    Binding("l", "log_axis", "Log"),
    Binding("x", "time_axis", "Time"),
    Binding("plus,equals_sign", "smooth(1)", "Smooth", key_display="+ -"),
    Binding("minus", "smooth(-1)", "Less smooth", show=False),
    Binding("left", "select(-1, 0)", "Chart", show=False),
    Binding("right", "select(1, 0)", "Chart", show=False),
    Binding("up", "select(0, -1)", "Chart", show=False),
    Binding("down", "select(0, 1)", "Chart", show=False),
    Binding("pageup", "page(-1)", "Page", show=False),
    Binding("pagedown", "page(1)", "Page", show=False),
    Binding("space", "play", "Play"),
    Binding("left_square_bracket", "scrub(-1)", "Step", key_display="[ ]"),
    Binding("right_square_bracket", "scrub(1)", "Step", show=False),
    Binding("comma", "frame(-1)", "Frame", key_display=", ."),
    Binding("full_stop", "frame(1)", "Frame", show=False),
    Binding("n", "clip(1)", "Clip", key_display="n p"),
    Binding("p", "clip(-1)", "Clip", show=False),
    Binding("e", "error_map", "Error"),
    Binding("t", "tokens", "Tokens"),
    Binding("k", "next_codebook", "Codebook", show=False),
    Binding("u", "code_order", "Order"),
    Binding("d", "next_other", "Compare"),
    Binding("b", "compare", "Compare"),
    Binding("w", "worst", "Worst"),
    Binding("left_curly_bracket", "rate(-1)", "Slower", show=False),
    Binding("right_curly_bracket", "rate(1)", "Faster", show=False),
    Binding("s", "request('stop')", "Stop"),
    Binding("c", "request('checkpoint')", "Save"),
    Binding("v", "request('preview')", "Preview"),
    Binding("m", "request('evaluate')", "Measure", show=False),
    Binding("r", "runs", "Runs"),
]

PICTURE_ACTIONS = ("play", "rate", "scrub", "frame", "clip", "error_map", "tokens", "compare", "worst")
PANEL_OF_ACTION = {
    **dict.fromkeys(("enlarge", "log_axis", "time_axis", "smooth", "select", "page"), "charts"),
    **dict.fromkeys(PICTURE_ACTIONS, "preview"),
    "code_order": "codebook",
    "next_other": "run",
}
"""Actions that need their panel to be seen; the others always work."""

HELP = (
    (
        "Everywhere",
        (
            ("tab, 1 2 3 4 5", "next panel, or that panel"),
            ("r", "list of runs"),
            ("?", "this help"),
            ("q, ctrl+c", "quit; the training goes on"),
        ),
    ),
    (
        "Charts",
        (
            ("arrows, click", "select a chart"),
            ("pgup pgdn", "previous, next page of charts"),
            ("enter, click", "zoom into the selected chart, or out"),
            ("l", "logarithmic y axis"),
            ("x", "x axis: steps or time"),
            ("+ -", "smooth training curves more, less"),
            ("─ ◆ ■ ▲", "train, val, test, other splits"),
            ("× ┊", "not a number; the run was resumed"),
        ),
    ),
    (
        "Preview",
        (
            ("space", "play, pause"),
            (", .", "previous, next frame"),
            ("{ }", "play slower, faster"),
            ("[ ]", "earlier, later preview; or click the line of previews"),
            ("b", "compare: keep this step as A, then go to another; again to end"),
            ("n p", "next, previous clip"),
            ("w", "worst clips of the last evaluation, or the previews"),
            ("e", "error map"),
            ("t k", "which codes paint the frame: colours, numbers; next codebook"),
        ),
    ),
    (
        "Codebook",
        (
            ("u", "order the codes by number or by use"),
            ("k", "one of several codebooks"),
        ),
    ),
    ("Run", (("d", "what differs from another run's config; again: the next run"),)),
    (
        "Training (asks first)",
        (
            ("s", "stop after this step, with a checkpoint"),
            ("c", "write a checkpoint now"),
            ("v", "write a preview now"),
            ("m", "evaluate now"),
        ),
    ),
)
