/** How the page of a training run looks, in light and dark, on a wide screen and on a phone. */
export const reportStyle = `
:root { color-scheme: light dark; --paper: #f6f5f2; --card: #fff; --ink: #1d2329; --quiet: #5d6872; --line: #dcdad4; --good: 11 110 127; --wrong: 194 87 26; --deep: #fff; --bad: #b3261e; font: 16px/1.5 system-ui, sans-serif; }
@media (prefers-color-scheme: dark) {
:root { --paper: #14181c; --card: #1d2329; --ink: #e6e8ea; --quiet: #9aa5af; --line: #343c44; --good: 92 194 211; --wrong: 240 160 96; --deep: #0c1418; --bad: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 66rem; padding: 1rem; background: var(--paper); color: var(--ink); }
h1 { margin: .5rem 0 .75rem; letter-spacing: -.02em; line-height: 1.2; }
h2 { margin: 0 0 .5rem; font-size: 1.2rem; }
h3 { margin: 0 0 .25rem; font-size: 1rem; }
p { margin: .25rem 0 .75rem; max-width: 46rem; color: var(--quiet); }
p.bad { color: var(--bad); }
section { margin: 1rem 0; padding: 1.25rem; border: 1px solid var(--line); border-radius: .75rem; background: var(--card); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; }
.tile { display: grid; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .75rem; background: var(--card); }
.tile strong { font-size: 1.5rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile small { color: var(--quiet); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1.25rem; }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--quiet); font-size: .8rem; line-height: 1.3; overflow-wrap: anywhere; }
img { display: block; width: 100%; height: auto; image-rendering: pixelated; border-radius: .2rem; }
.filters { display: grid; grid-template-columns: repeat(auto-fill, minmax(3rem, 1fr)); gap: .35rem; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(5.5rem, 1fr)); gap: .9rem .75rem; }
.mistakes img { margin-bottom: .25rem; }
.confused { display: flex; flex-wrap: wrap; gap: 1.25rem 3rem; }
.confused > * { max-width: 100%; }
.matrix { width: 34rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { padding: .25rem 0; color: var(--quiet); text-align: left; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
.left, .facts th, .facts td { text-align: left; vertical-align: top; }
.facts td { overflow-wrap: anywhere; }
.confusion { border-collapse: separate; border-spacing: 2px; font-size: .8rem; }
.confusion th, .confusion td { padding: .2rem .35rem; border: 0; }
.confusion th[scope=col] { vertical-align: bottom; }
.confusion th[scope=col] span { writing-mode: vertical-rl; transform: rotate(180deg); }
.confusion td { min-width: 2.2rem; text-align: center; border-radius: .2rem; }
.confusion .right { background: rgb(var(--good) / var(--share)); }
.confusion .wrong { background: rgb(var(--wrong) / var(--share)); }
.confusion .deep { color: var(--deep); }
.confusion .recall { text-align: right; white-space: nowrap; }
`;
