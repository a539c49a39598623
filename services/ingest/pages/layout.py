"""What every page looks like: plain, in the colours that the reader's system has, from this file alone."""

STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884 }
code, pre { font: 14px/1.4 ui-monospace, monospace }
dt { margin-top: .8rem }
section { border-top: 1px solid #8884 }
"""


def page(title: str, body: str) -> str:
    """Give a whole page; `title` and `body` are HTML already."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><h1>{title}</h1>{body}</body></html>"
    )
