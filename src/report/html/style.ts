/** Stylesheet of the report: system fonts, light and dark by preference, readable on a phone and in print. */
export const style = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;--card:#f6f8fa;--good:#116329;--bad:#b42318;--accent:#0072B2}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9aa4af;--line:#30363d;--card:#161b22;--good:#56d364;--bad:#ff7b72;--accent:#58a6ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:920px;margin:0 auto;padding:1rem 1rem 4rem}
h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}h3{font-size:1rem;margin:1.4rem 0 .4rem}
a{color:var(--accent)}nav a{margin-right:1rem}
.dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:.75rem;margin:1rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}
.card b{display:block;font-size:1.3rem;font-variant-numeric:tabular-nums}.card span{color:var(--dim);font-size:.85rem}
figure{margin:1rem 0}figcaption{margin-bottom:.4rem}.chart{overflow-x:auto}.chart svg{max-width:100%;height:auto;--plot-background:var(--bg);display:block;overflow:visible}
.chart svg text{white-space:pre}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0;font-size:.85rem}.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;vertical-align:-.05em}
details{margin:.4rem 0}summary{cursor:pointer;color:var(--dim)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}caption{text-align:left;color:var(--dim);padding:.2rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}.num{text-align:right;white-space:nowrap}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--card);padding:.1em .3em;border-radius:4px;overflow-wrap:anywhere}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
#tip{position:fixed;pointer-events:none;background:var(--fg);color:var(--bg);padding:.35rem .55rem;border-radius:6px;font-size:.82rem;white-space:pre-line;max-width:22rem;z-index:9}
@media print{details{display:none}}
`.trim();

/** Shows an element's \`<title>\` at once under the pointer or on keyboard focus. The page is complete without it. */
export const script = `
(()=>{const tip=document.createElement("div");tip.id="tip";tip.hidden=true;document.body.append(tip);
const show=(el,x,y)=>{const t=el&&el.closest&&el.closest("svg *");const title=t&&(t.querySelector(":scope > title")||t.parentElement.querySelector(":scope > title"));
if(!title){tip.hidden=true;return}tip.textContent=title.textContent;tip.hidden=false;
tip.style.left=Math.min(x+14,innerWidth-tip.offsetWidth-8)+"px";tip.style.top=Math.min(y+14,innerHeight-tip.offsetHeight-8)+"px"};
document.addEventListener("pointermove",e=>show(e.target,e.clientX,e.clientY));
document.addEventListener("keydown",e=>{if(e.key==="Escape")tip.hidden=true});
document.querySelectorAll(".chart [data-focus], .chart circle").forEach(el=>{if(!el.querySelector("title"))return;el.setAttribute("tabindex","0");
el.addEventListener("focus",()=>{const r=el.getBoundingClientRect();show(el,r.right,r.bottom)});el.addEventListener("blur",()=>{tip.hidden=true})});})();
`.trim();
