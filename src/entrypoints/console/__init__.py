"""The operator's console: pages made on the server, for the browser of those who run the shop.

Whoever is not signed in sees one page, and without CONSOLE_USERS_JSON there is none at all.

A place is a module with its handlers and its ROUTES (routes.py knows all of them) and templates that extend layout.html
and are made of parts.html. A page is `console.show(request, read)`, where `read` gives a Page; an act is a form with
`parts.form_fields()` (`parts.act` has it) that `console.act(request, do)` carries out, where `do` gives Done.
"""
