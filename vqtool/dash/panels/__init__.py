"""The widgets of the dashboard, one file each. What they show comes from files: text is cleaned, never markup."""
