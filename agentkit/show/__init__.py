"""An answer for a reader: `plain` for terminals, `markdown` for files, `html` for pages.

What a model writes is shown, never obeyed. Each sink has its one escape, and everything on the way
there goes through it: `plain.visible`, `markdown.prose` and `markdown.inline`, `html.text` and
`html.prose`.
"""
