// The live sampler: asks the server that brought this page for samples, and for nothing else.
"use strict";
const $ = (id) => document.getElementById(id);
const SHOTS = { 1: 6, 2: 16, 3: 6 }; // of a chain that is watched, before its end
const EXTENSION = { 1: "wav", 2: "png", 3: "mp4" };
let running = null; // AbortController of what is being asked
let shown = null; // address of the medium on the stage

const chosen = () => $("model").selectedOptions[0];
const rank = () => Number(chosen().dataset.rank);

function choose() {
  const { size, rate } = chosen().dataset;
  const lengths = size.split("x");
  $("size-field").hidden = rank() === 1;
  $("size").value = (rank() === 3 ? lengths.slice(1) : lengths).join("x");
  $("length-field").hidden = rank() === 2;
  $("length-name").textContent = rank() === 1 ? "Seconds" : "Frames";
  $("length").value = rank() === 1 ? (lengths[0] / (Number(rate) || 1)).toFixed(1) : lengths[0];
  $("tile").disabled = rank() !== 2;
}

// What the form says now; it may say something else when the answer comes.
function asked() {
  const query = new URLSearchParams({ seed: $("seed").value || "0", steps: $("steps").value || "0" });
  if (rank() !== 1 && $("size").value) query.set("size", $("size").value);
  if (rank() !== 2 && $("length").value) query.set(rank() === 1 ? "seconds" : "frames", $("length").value);
  const own = chosen().dataset.steps.split(" ").map(Number);
  const steps = Number($("steps").value) || 0;
  return { model: chosen().value, seed: $("seed").value || "0", rank: rank(), query, token: $("token").value,
    length: own.reduce((sum, n) => sum + (steps || n), 0) }; // Langevin steps over all levels
}

// After how many steps the chain is shown: null for the end.
function address({ model, rank, query }, until) {
  const all = new URLSearchParams(query);
  if (until !== null) all.set("until", String(until));
  return `v1/models/${encodeURIComponent(model)}/sample.${EXTENSION[rank]}?${all}`;
}

async function ask(what, until, signal) {
  const headers = what.token ? { Authorization: `Bearer ${what.token}` } : {};
  const answer = await fetch(address(what, until), { headers, signal });
  if (answer.ok) return answer.blob();
  if (answer.status === 401) {
    $("token-field").hidden = false;
    $("token").focus();
  }
  const text = await answer.text();
  let reason = text.slice(0, 200);
  try { reason = JSON.parse(text).error; } catch { /* not from the server itself */ }
  throw new Error(reason || `status ${answer.status}`);
}

function show(blob, { model, seed, rank }) {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(blob);
  const kind = { 1: "audio", 2: "img", 3: "video" }[rank];
  const medium = document.createElement(kind);
  const name = `A sample of ${model}, seed ${seed}`;
  medium.src = shown;
  if (kind === "img") medium.alt = name;
  else medium.setAttribute("aria-label", name);
  if (kind !== "img") Object.assign(medium, { controls: true, loop: true, muted: kind === "video", autoplay: kind === "video" });
  $("stage").replaceChildren(medium);
  tile();
  Object.assign($("download"), { href: shown, hidden: false,
    download: `${model}_${seed}.${EXTENSION[rank]}` });
}

function tile() {
  const on = $("tile").checked && $("stage").querySelector("img") !== null;
  $("stage").classList.toggle("tiled", on);
  $("stage").style.backgroundImage = on ? `url(${shown})` : "none";
}

function tell(text, failed = false) {
  $("status").textContent = text;
  $("status").classList.toggle("failed", failed);
}

// Shows the chain after so many steps, one after the other.
async function run(all, what) {
  if (running) running.abort();
  const mine = running = new AbortController();
  $("stop").disabled = false;
  try {
    for (const until of all) {
      const words = `step ${until === null ? what.length : until} of ${what.length}`;
      tell(`Sampling ${what.model}: ${words} …`);
      const start = performance.now();
      const blob = await ask(what, until, mine.signal);
      if (running !== mine) return;
      show(blob, what);
      tell(`${what.model}: ${words}, ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  } catch (error) {
    if (running === mine) tell(error.name === "AbortError" ? "Stopped." : error.message, error.name !== "AbortError");
  } finally {
    if (running === mine) {
      running = null;
      if (document.activeElement === $("stop")) $("form").querySelector("button").focus();
      $("stop").disabled = true;
    }
  }
}

$("model").addEventListener("change", choose);
$("tile").addEventListener("change", tile);
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run([null], asked());
});
$("next").addEventListener("click", () => {
  $("seed").value = String((Number($("seed").value) || 0) + 1);
  run([null], asked());
});
$("watch").addEventListener("click", () => {
  const what = asked();
  const shots = Math.min(what.length, SHOTS[what.rank]);
  run([...Array(shots).keys()].map((i) => Math.round((i * what.length) / shots)).concat(null), what);
});
$("stop").addEventListener("click", () => running && running.abort());
choose();
