"""The one style sheet of the pages."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light; --ink: #1d2b2a; --soft: #5d6b69; --rule: #dfe5e2; --accent: #085156 }
* { box-sizing: border-box }
body { margin: 0; background: #f6f8f7; color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 48px }
h1 { font-size: 28px; margin: 0; letter-spacing: -.01em }
h2 { font-size: 19px; margin: 0 0 10px; color: var(--accent) }
h3 { font-size: 14px; margin: 18px 0 6px }
p { margin: 4px 0 10px; color: var(--soft); max-width: 78ch }
section, .tile { background: #fff; border: 1px solid var(--rule); border-radius: 10px }
section { padding: 18px 20px; margin-top: 18px; overflow-x: auto }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: 12px }
.tiles { margin-top: 16px }
.tile { padding: 12px 14px }
.tile small, .tile span { display: block; color: var(--soft); font-size: 12px }
.tile b { display: block; font-size: 23px; letter-spacing: -.01em }
.tile b, table { font-variant-numeric: tabular-nums }
.panels { display: flex; flex-wrap: wrap; gap: 10px 12px }
.beside { display: flex; flex-wrap: wrap; gap: 0 28px }
.beside p { max-width: 52ch; font-size: 13px }
svg { font: 12px system-ui, sans-serif; max-width: none; display: block }
svg text { fill: var(--ink) }
svg .small { fill: var(--soft); font-size: 10.5px }
svg .strong { font-weight: 600 }
svg .rule { stroke: var(--rule) }
svg .limit { stroke: var(--ink); stroke-dasharray: 4 3 }
svg .share { fill: none; stroke: var(--ink); stroke-width: 1.6 }
svg .flow { fill: none; stroke: #c2703d; opacity: .5 }
svg .site { stroke: #fff; stroke-width: 1.5 }
svg .name { paint-order: stroke; stroke: #fff; stroke-width: 3 }
table { border-collapse: collapse; margin: 6px 0; font-size: 13px }
th, td { text-align: right; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule) }
th, td { white-space: nowrap }
th { color: var(--soft); font-weight: 600; font-size: 12px }
td.word, th.word { text-align: left }
tr.sum td { font-weight: 600 }
.key { margin-right: 16px; white-space: nowrap }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 5px }
.alarm { color: #a3331c }
pre { background: #f3f6f4; padding: 10px 12px; border-radius: 8px; font-size: 12.5px }
pre { overflow-x: auto }
footer { margin-top: 22px; color: var(--soft); font-size: 12.5px }
@media print { body { background: #fff } section { break-inside: avoid } }
"""
