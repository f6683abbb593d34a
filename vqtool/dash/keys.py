"""The keys of the run screen: what is bound, in which panel it works, and what the help says."""

from textual.binding import Binding, BindingType

PANELS = ("charts", "preview", "codebook", "log", "run")

BINDINGS: list[BindingType] = [
    Binding("question_mark", "help", "Help", key_display="?"),
    Binding("q", "app.quit", "Quit"),
    Binding("tab", "next_panel(1)", "Panel", key_display="tab"),
    Binding("shift+tab", "next_panel(-1)", "Panel", show=False),
    *(Binding(str(number), f"panel({number - 1})", name, show=False) for number, name in enumerate(PANELS, 1)),
    Binding("enter", "enlarge", "Enlarge"),
    Binding("plus,equals_sign", "zoom(1)", "Zoom", key_display="+ - 0"),
    Binding("minus,underscore", "zoom(-1)", "Zoom out", show=False),
    Binding("0", "reset_zoom", "All", show=False),
    Binding("z", "zoom_y(1)", "Zoom y", key_display="z Z f"),
    Binding("Z", "zoom_y(-1)", "Zoom y out", show=False),
    Binding("f", "zoom_y(0)", "Fit y", show=False),
    Binding("shift+left,left_parenthesis", "pan(-1)", "Pan", show=False),
    Binding("shift+right,right_parenthesis", "pan(1)", "Pan", show=False),
    Binding("h", "cursor(-1)", "Cursor", key_display="h l"),
    Binding("l", "cursor(1)", "Cursor", show=False),
    Binding("H", "cursor(-10)", "Cursor", show=False),
    Binding("L", "cursor(10)", "Cursor", show=False),
    Binding("escape", "hide_cursor", "No cursor", show=False),
    Binding("x", "x_axis", "x axis"),
    Binding("X", "log_x", "Log x", show=False),
    Binding("y", "log_y", "Log y"),
    Binding("i", "outliers", "Outliers"),
    Binding("a", "smooth(1)", "Smooth", key_display="a A"),
    Binding("A", "smooth(-1)", "Less smooth", show=False),
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
    **dict.fromkeys(("enlarge", "smooth", "select", "page", "zoom", "reset_zoom", "zoom_y", "pan"), "charts"),
    **dict.fromkeys(("cursor", "hide_cursor", "x_axis", "log_x", "log_y", "outliers"), "charts"),
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
            ("enter, click title", "enlarge the selected chart, or show all"),
            ("+ - wheel", "zoom in, out"),
            ("( ) shift+←→ drag", "earlier, later part"),
            ("0, double click", "everything again"),
            ("z Z f", "zoom y axis of this chart in, out; fit it"),
            ("h l, H L, click", "cursor: values of all charts there"),
            ("esc", "no cursor"),
            ("x", "x axis: steps, time since start, time of day"),
            ("X y", "logarithmic x axis; y axis of this chart"),
            ("i", "outliers leave the picture, or stay"),
            ("a A", "smooth training curves more, less"),
            ("─ ◆ ■ ▲", "train, val, test, other splits"),
            ("× ! ┊ »", "not a number; alarm; resumed; next stage"),
            ("c e ↑", "checkpoint; evaluation; codes revived"),
        ),
    ),
    (
        "Log",
        (
            ("/, n N", "search; earlier, later match"),
            ("f", "follow the end, or stay"),
            ("o, click", "scroll the events, or the console"),
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
