/** Stylesheet of the report: system fonts, light and dark by preference, readable on a phone and in print. */
export const style = `
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#57606a;--line:#d0d7de;--card:#f6f8fa;--good:#116329;--bad:#b42318;--accent:#0072B2}
@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9aa4af;--line:#30363d;--card:#161b22;--good:#56d364;--bad:#ff7b72;--accent:#58a6ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:920px;margin:0 auto;padding:1rem 1rem 4rem}p,h1,figcaption{overflow-wrap:anywhere}
h1{font-size:1.4rem;margin:.5rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem;border-bottom:1px solid var(--line);padding-bottom:.25rem}h3{font-size:1rem;margin:1.4rem 0 .4rem}
a{color:var(--accent)}nav a{margin-right:1rem}
.dim{color:var(--dim)}.good{color:var(--good)}.bad{color:var(--bad)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:.75rem;margin:1rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.7rem .9rem}
.card b{display:block;font-size:1.3rem;font-variant-numeric:tabular-nums}.card span{color:var(--dim);font-size:.85rem}
figure{margin:1rem 0}figcaption{margin-bottom:.4rem}.chart{overflow-x:auto}.chart svg{max-width:100%;height:auto;--plot-background:var(--bg);display:block;overflow:visible}
.chart svg text{white-space:pre}.chart svg .on{stroke:var(--fg);stroke-width:2px}
.chart svg{min-width:560px}.chart svg.mesh{min-width:0}.mesh .node{fill:none;stroke:var(--line)}.share{stroke:var(--dim);stroke-width:.8;vertical-align:middle}
.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.legend .hatch{background:repeating-linear-gradient(45deg,var(--line) 0 3px,transparent 3px 6px);border:1px solid var(--line)}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1rem;margin:.3rem 0;font-size:.85rem}.legend i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin-right:.4em;vertical-align:-.05em}
details{margin:.4rem 0}summary{cursor:pointer;color:var(--dim)}
.scroll{overflow-x:auto;position:relative}table{border-collapse:collapse;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}caption{text-align:left;color:var(--dim);padding:.2rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}.num{text-align:right;white-space:nowrap}
caption{font-size:.85rem}.decisions td:nth-child(n+3){min-width:13rem}.tensors th[scope=row]{font-weight:400;white-space:nowrap}.tensors code{overflow-wrap:normal}.shape{white-space:nowrap}.group th{padding-top:.8rem;color:var(--dim);font-weight:600}
dl{margin:.3rem 0;display:grid;grid-template-columns:max-content 1fr;gap:.1rem .6rem;color:var(--dim)}dd{margin:0}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.8rem;overflow-x:auto;font:.85rem/1.45 ui-monospace,SFMono-Regular,Menlo,monospace}
.stale{opacity:.55}.live{position:sticky;top:0;z-index:5;background:var(--bg);border-bottom:1px solid var(--line);padding:.4rem 0;margin:0;font-size:.85rem}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--card);padding:.1em .3em;border-radius:4px;overflow-wrap:anywhere}
:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
#tip{position:fixed;pointer-events:none;background:var(--fg);color:var(--bg);padding:.35rem .55rem;border-radius:6px;font-size:.82rem;white-space:pre-line;max-width:22rem;z-index:9}
@media print{details{display:none}}
`.trim();

/**
 * Shows an element's \`<title>\` at once: under the pointer, or, with a chart focused, for the mark that the arrow keys have
 * walked to. The page is complete without it.
 */
export const script = `
(()=>{const tip=document.createElement("div");tip.id="tip";tip.hidden=true;tip.setAttribute("role","status");document.body.append(tip);
const say=(text,x,y)=>{tip.hidden=!text;if(!text)return;tip.textContent=text;
tip.style.left=Math.max(4,Math.min(x+14,innerWidth-tip.offsetWidth-8))+"px";tip.style.top=Math.max(4,Math.min(y+14,innerHeight-tip.offsetHeight-8))+"px"};
const titleOf=el=>{const t=el&&el.closest&&el.closest("svg *");return t&&(t.querySelector(":scope > title")||t.parentElement.querySelector(":scope > title"))};
document.addEventListener("pointermove",e=>{const t=titleOf(e.target);say(t&&t.textContent,e.clientX,e.clientY)});
const enhance=()=>document.querySelectorAll(".chart svg").forEach(svg=>{const marks=[...svg.querySelectorAll("title")].map(t=>t.parentElement);if(!marks.length)return;
svg.setAttribute("tabindex","0");svg.setAttribute("role","group");svg.setAttribute("aria-roledescription","chart, arrow keys walk its marks");let at=-1;
const go=i=>{if(marks[at])marks[at].classList.remove("on");at=Math.max(0,Math.min(marks.length-1,i));const m=marks[at];m.classList.add("on");m.scrollIntoView({block:"nearest",inline:"nearest"});
const r=m.getBoundingClientRect();say(m.querySelector(":scope > title").textContent,r.right,r.bottom)};
const leave=()=>{if(marks[at])marks[at].classList.remove("on");tip.hidden=true};
svg.addEventListener("keydown",e=>{const k={ArrowRight:at+1,ArrowDown:at+1,ArrowLeft:at-1,ArrowUp:at-1,Home:0,End:marks.length-1}[e.key];
if(k!==undefined){go(k);e.preventDefault()}else if(e.key==="Escape")leave()});svg.addEventListener("blur",leave)});
enhance();document.addEventListener("llmp:update",()=>{tip.hidden=true;enhance()})})();
`.trim();
