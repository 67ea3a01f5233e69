"""The one style sheet of the pages: light and dark, for screens of any width, and for paper."""

__all__ = ["STYLE"]

STYLE = """
:root { color-scheme: light dark; --page: #f6f8f7; --card: #fff; --ink: #1d2b2a; --soft: #5d6b69;
  --rule: #dfe5e2; --accent: #085156; --bad: #a3331c; --bad-card: #fbe9e4; --code: #f3f6f4;
  --flow: #c2703d;
  --h0: #f3f6f4; --h1: #e4eeeb; --h2: #d4e7e1; --h3: #c5dfd8; --h4: #b5d7ce; --h5: #a6cfc5;
  --h6: #96c8bb; --h7: #87c0b2; --h8: #77b5a7; --h9: #67a79c; --h10: #579890; --h11: #478a84;
  --h12: #387c79; --h13: #286e6d; --h14: #185f62; --h15: #085156; }
@media (prefers-color-scheme: dark) { :root { --page: #121918; --card: #1b2423; --ink: #e4ebe8;
  --soft: #9badaa; --rule: #33403e; --accent: #7fd3c6; --bad: #ff9a80; --bad-card: #43201a;
  --code: #232e2c; --flow: #e0915e;
  --h0: #222e2e; --h1: #233736; --h2: #233f3e; --h3: #244846; --h4: #24504e; --h5: #255956;
  --h6: #25615e; --h7: #266a66; --h8: #2e7671; --h9: #3e8780; --h10: #4f988e; --h11: #5fa99c;
  --h12: #6fbaab; --h13: #7fcab9; --h14: #90dbc8; --h15: #a0ecd6; } }
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 48px }
h1 { font-size: 28px; margin: 0; letter-spacing: -.01em }
h2 { font-size: 19px; margin: 0 0 10px; color: var(--accent) }
h3 { font-size: 14px; margin: 18px 0 6px }
p { margin: 4px 0 10px; color: var(--soft); max-width: 78ch }
section, .tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px }
section { padding: 18px 20px; margin-top: 18px; overflow-x: auto }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px }
.tiles { margin-top: 16px }
.tile { padding: 12px 14px; min-width: 0 }
.tile small, .tile span { display: block; color: var(--soft); font-size: 12px }
.tile b { display: block; font-size: 20px; letter-spacing: -.01em; overflow-wrap: anywhere }
.tile b, table { font-variant-numeric: tabular-nums }
.bad { background: var(--bad-card); border-color: var(--bad) }
.bad b, .bad small, .bad span { color: var(--bad) }
.alarms { margin: 14px 0 0; padding: 10px 14px; border: 1px solid var(--bad); border-radius: 10px }
.alarms { background: var(--bad-card); color: var(--bad) }
.alarms ul { margin: 4px 0; padding-left: 20px }
summary { cursor: pointer; color: var(--soft) }
.panels { display: grid; gap: 10px 12px }
.panels { grid-template-columns: repeat(auto-fill, minmax(min(240px, 100%), 1fr)) }
.panels svg { width: 100%; height: auto }
.beside { display: flex; flex-wrap: wrap; gap: 0 28px }
.beside > div { min-width: 0; max-width: 100% }
.pair { display: grid; gap: 0 18px; align-items: start }
.pair { grid-template-columns: repeat(auto-fit, minmax(min(460px, 100%), 1fr)) }
.beside p { max-width: 52ch; font-size: 13px }
svg { font: 12px system-ui, sans-serif; max-width: none; display: block }
.wide svg { max-width: 100%; height: auto }
svg text { fill: var(--ink) }
svg .small { fill: var(--soft); font-size: 10.5px }
svg .strong { font-weight: 600 }
svg .rule { stroke: var(--rule) }
svg .limit { stroke: var(--ink); stroke-dasharray: 4 3 }
svg .share { fill: none; stroke: var(--ink); stroke-width: 1.6 }
svg .flow { fill: none; stroke: var(--flow); opacity: .55 }
svg .head { fill: var(--flow) }
svg .site { stroke: var(--card); stroke-width: 1.5 }
svg .name { paint-order: stroke; stroke: var(--card); stroke-width: 3 }
.heat { display: grid; gap: 1px; font-size: 12px; min-width: calc(90px + 4px * var(--n)) }
.heat { grid-template-columns: minmax(72px, 112px) repeat(var(--n), minmax(3px, 1fr)) }
.heat b { font-weight: 400; text-align: right; padding-right: 8px; line-height: 21px }
.heat b { white-space: nowrap; overflow: hidden; text-overflow: ellipsis }
.heat b { position: sticky; left: 0; background: var(--card) }
.heat i { height: 21px; border-radius: 2px }
.heat span { font-size: 10.5px; color: var(--soft); text-align: center; white-space: nowrap }
.heat .tall { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left }
.heat .tall { justify-self: center; align-self: end }
.scale { display: flex; align-items: center; margin: 8px 0 4px; font-size: 11px }
.scale i { width: 8px; height: 8px }
.scale span { margin-left: 8px; color: var(--soft) }
.bar { display: flex; height: 22px; border-radius: 6px; overflow: hidden; margin: 8px 0; gap: 1px }
table { border-collapse: collapse; margin: 6px 0; font-size: 13px }
th, td { text-align: right; padding: 4px 10px 4px 0; border-bottom: 1px solid var(--rule) }
th, td { white-space: nowrap }
th { color: var(--soft); font-weight: 600; font-size: 12px }
td.word, th.word { text-align: left }
tr.sum td { font-weight: 600 }
td.said { color: var(--soft); white-space: normal }
.key { margin-right: 16px; white-space: nowrap; display: inline-block }
.key i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 5px }
.narrow { display: none }
pre { background: var(--code); padding: 10px 12px; border-radius: 8px; font-size: 12.5px }
pre { overflow-x: auto; white-space: pre-wrap }
nav { margin-top: 12px }
nav a { color: var(--soft); font-size: 13px; margin-right: 14px; display: inline-block }
footer { margin-top: 22px; color: var(--soft); font-size: 12.5px }
.h0 { background: var(--h0) !important } .f0 { fill: var(--h0) }
.h1 { background: var(--h1) !important } .f1 { fill: var(--h1) }
.h2 { background: var(--h2) !important } .f2 { fill: var(--h2) }
.h3 { background: var(--h3) !important } .f3 { fill: var(--h3) }
.h4 { background: var(--h4) !important } .f4 { fill: var(--h4) }
.h5 { background: var(--h5) !important } .f5 { fill: var(--h5) }
.h6 { background: var(--h6) !important } .f6 { fill: var(--h6) }
.h7 { background: var(--h7) !important } .f7 { fill: var(--h7) }
.h8 { background: var(--h8) !important } .f8 { fill: var(--h8) }
.h9 { background: var(--h9) !important } .f9 { fill: var(--h9) }
.h10 { background: var(--h10) !important } .f10 { fill: var(--h10) }
.h11 { background: var(--h11) !important } .f11 { fill: var(--h11) }
.h12 { background: var(--h12) !important } .f12 { fill: var(--h12) }
.h13 { background: var(--h13) !important } .f13 { fill: var(--h13) }
.h14 { background: var(--h14) !important } .f14 { fill: var(--h14) }
.h15 { background: var(--h15) !important } .f15 { fill: var(--h15) }
@media (max-width: 640px) {
  main { padding: 16px 10px 32px }
  section { padding: 14px 12px }
  h1 { font-size: 23px }
  .tiles { grid-template-columns: 1fr 1fr; gap: 8px }
  .tile b { font-size: 18px }
  td.word { white-space: normal }
  .wide { display: none }
  .narrow { display: block }
  .narrow svg { width: 100%; height: auto }
  .beside > div { width: 100% }
  .heat { grid-template-columns: 76px repeat(var(--n), minmax(3px, 1fr)); font-size: 11px }
  .heat b { padding-right: 5px }
  .heat i { border-radius: 1px }
  .heat .some { visibility: hidden; width: 0 }
  .heat .every { width: 0 }
  .cards thead { display: none }
  .cards, .cards tbody { display: block }
  .cards tr { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); padding: 7px 0 }
  .cards tr { gap: 2px 10px; border-bottom: 1px solid var(--rule) }
  .cards td { border: 0; padding: 0; text-align: left; white-space: normal }
  .cards td { overflow-wrap: anywhere }
  .cards td:first-child { grid-column: 1 / -1; font-weight: 600 }
  .cards td:not(:first-child)::before { content: attr(data-head); display: block; font-size: 11px }
  .cards td:not(:first-child)::before { color: var(--soft); font-weight: 400 }
}
@media print { body { background: #fff } section { break-inside: avoid; overflow: visible }
  pre { break-inside: avoid } table { font-size: 12px } th, td { padding-right: 7px }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
"""
