#pragma once

namespace hone::app {

/// The style sheet of report.html: system fonts, light and dark.
inline constexpr const char* report_style = R"css(
:root {
  color-scheme: light dark;
  --page: #f7f7f5; --card: #ffffff; --ink: #1b1d21; --soft: #62666d; --line: #e4e4e0;
  --first: #3b63c9; --second: #0f8f78; --warm: #c8502f; --good: #0f8f78;
  --first-rgb: 59, 99, 201; --warm-rgb: 200, 80, 47;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #131417; --card: #1c1e22; --ink: #ececea; --soft: #9a9ea6; --line: #2e3137;
    --first: #8aa8ff; --second: #4fd0b5; --warm: #ff8f6b; --good: #4fd0b5;
    --first-rgb: 110, 145, 245; --warm-rgb: 240, 120, 85;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5; font-size: 15px;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 48px 24px 64px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.02em; font-weight: 650; }
h2 { font-size: 18px; margin: 44px 0 14px; letter-spacing: -0.01em; font-weight: 620; }
p { margin: 0 0 12px; }
.soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 14px; margin-top: 28px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
.tile { padding: 16px 18px; }
.tile b { display: block; font-size: 28px; font-weight: 620; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13.5px; }
.card { padding: 18px 20px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { font-weight: 560; color: var(--soft); text-align: right; font-size: 13.5px; }
td { text-align: right; }
th, td { padding: 8px 14px; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
td.gain { color: var(--good); font-weight: 560; }
td.loss { color: var(--warm); font-weight: 560; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 14px; }
figure { margin: 0; }
.chart { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 16px 16px 8px; }
figcaption { font-weight: 560; font-size: 14px; margin-bottom: 8px; }
svg { display: block; width: 100%; height: auto; font-family: inherit; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.name { font-size: 12.5px; font-weight: 560; }
.curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
.hit { fill: transparent; }
.hit:hover { fill: var(--soft); fill-opacity: 0.35; }
.number { display: inline-block; min-width: 3.7em; }
.matrix { width: 100%; max-width: 520px; margin: 0 auto; table-layout: fixed; }
.matrix th, .matrix td { border: 0; padding: 2px; text-align: center; }
.matrix th { font-size: 12.5px; font-weight: 500; color: var(--soft); }
.matrix th.side, .matrix th:first-child { text-align: right; padding-right: 10px; width: 24%; overflow: hidden; text-overflow: ellipsis; }
.matrix th.top { vertical-align: bottom; height: 74px; }
.matrix th.top span { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block; line-height: 1; }
.cell { display: block; min-width: 34px; height: 40px; line-height: 40px; border-radius: 6px; font-size: 13.5px;
  font-variant-numeric: tabular-nums; background: rgba(var(--tint), var(--share)); }
.none { color: transparent; background: var(--page); }
.bar { display: inline-block; width: 110px; height: 7px; border-radius: 4px; background: var(--line); margin-right: 10px;
  vertical-align: middle; overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 4px; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(168px, 1fr)); gap: 14px; }
.photo { background: var(--card); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.photo img { display: block; width: 100%; height: 128px; object-fit: cover; background: var(--line); }
.photo div { padding: 9px 12px 11px; font-size: 13.5px; line-height: 1.35; }
.photo b { font-weight: 600; }
.photo .sure { float: right; font-variant-numeric: tabular-nums; color: var(--soft); }
.photo.wrong b { color: var(--warm); }
footer { margin-top: 48px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--soft); font-size: 13px; }
@media print { body { background: #fff; } .card, .tile, .chart, .photo { break-inside: avoid; } }
)css";

}  // namespace hone::app
