/** What the page does: takes the new plan in place when one is there, keeping scroll and what is unfolded; an older answer that comes late is passed over. */
export const clientScript = `
(()=>{const source=new EventSource("/events");let last,loads=0;
const keep=()=>[...document.querySelectorAll("details")].map(d=>d.open);
const load=async()=>{const mine=++loads,r=await fetch("/main",{cache:"no-store"});if(!r.ok)return;const next=document.createElement("template");next.innerHTML=await r.text();
if(mine!==loads)return;
const open=keep(),y=scrollY;document.querySelector("main").replaceWith(next.content);
document.querySelectorAll("details").forEach((d,i)=>{if(open[i]!==undefined)d.open=open[i]});scrollTo(0,y);document.dispatchEvent(new Event("llmp:update"))};
source.addEventListener("state",e=>{const s=JSON.parse(e.data);const p=document.getElementById("status");if(p)p.textContent=s.status;
if(s.version!==last&&last!==undefined)load();last=s.version});
source.onerror=()=>{const p=document.getElementById("status");if(p)p.textContent="llmp studio has stopped; trying again"}})();
`.trim();
