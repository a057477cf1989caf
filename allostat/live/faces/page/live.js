"use strict";
/* Follows a session by Server-Sent Events. Everything it keeps is bounded; every text is set as text. */

const TRACE_MS = 6000, TRACE_KEPT_MS = 12000, RR_MS = 120000, LOG_KEPT = 200;
/* Notifications bring half a second of signal at once; drawing this far behind keeps the trace moving evenly. */
const BEHIND_MS = 800;

const at = (id) => document.getElementById(id);
const straps = new Map();
const page = {
  frames: 0, fulls: 0, lost: 0, now: 0, edge: 0, session: null, labels: [], signs: {}, ended: false,
  offsets: [], second: [], colours: {}, last: 0,
};
globalThis.allostatLive = page;

const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };
const shown = (value, digits = 0) => value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−");
const bytes = (n) => n < 10000 ? `${n} B` : n < 1e7 ? `${(n / 1e3).toFixed(0)} kB` : `${(n / 1e6).toFixed(1)} MB`;
const clock = (ms) => new Date(ms).toTimeString().slice(0, 8) + "." + Math.floor((ms % 1000) / 100);
const duration = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(s / 3600)}:${String(Math.floor(s / 60) % 60).padStart(2, "0")}:${String(s % 60).padStart(2, "0")}`;
};
const made = (tag, name, parent) => {
  const node = document.createElement(tag);
  if (name) node.className = name;
  if (parent) parent.append(node);
  return node;
};

const FACTS = [
  ["RMSSD 60", (d) => shown(d.hrv["60"]?.rmssd, 1) + " ms", null],
  ["RMSSD 120", (d) => shown(d.hrv["120"]?.rmssd, 1) + " ms", null],
  ["SDNN 60", (d) => shown(d.hrv["60"]?.sdnn, 1) + " ms", null],
  ["Artefacts", (d) => shown(d.hrv["60"]?.artefacts, 1) + " %", null],
  ["Skin", (d) => d.contact === true ? "yes" : d.contact === false ? "off" : "–", (d) => d.contact === false],
  ["Signal", (d) => d.quality === null ? "–" : d.quality ? "good" : "poor", (d) => d.quality === false],
  ["Missing", (d) => (d.missing > 0 && d.missing < 0.005 ? "<0.01" : shown(d.missing, 2)) + " %", (d) => d.missing >= 1],
  ["Gaps", (d) => String(d.gaps), null],
  ["Battery", (d) => shown(d.battery) + " %", (d) => d.battery !== null && d.battery !== undefined && d.battery < 20],
  ["RSSI", (d) => shown(d.rssi) + " dBm", null],
  ["Received", (d) => String(d.received), null],
  ["Latency", (d) => d.latency ? `${shown(d.latency[0], 1)} ms` : "–", null],
];

/* Only canvases that can be seen are drawn. */
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    for (const strap of straps.values()) if (strap.card === entry.target) strap.visible = entry.isIntersecting;
  }
});

function newStrap(id) {
  const card = made("article", "card");
  const head = made("header", "", card);
  const strap = {
    id, card, data: { hrv: {} }, trace: [], intervals: [], visible: true, unit: "",
    title: made("h3", "", head), phase: made("span", "phase", head), hr: made("span", "hr", head),
    message: made("p", "message", card), canvas: made("canvas", "trace", card), rr: made("canvas", "rr", card), facts: [],
  };
  strap.title.id = `strap-${id}`;
  card.setAttribute("aria-labelledby", strap.title.id);
  strap.rate = made("span", "", strap.hr);
  text(made("small", "", strap.hr), " /min");
  for (const canvas of [strap.canvas, strap.rr]) canvas.setAttribute("role", "img");
  const list = made("dl", "", card);
  for (const [name] of FACTS) {
    const box = made("div", "", list);
    text(made("dt", "", box), name);
    strap.facts.push(made("dd", "", box));
  }
  straps.set(id, strap);
  const after = [...straps.values()].filter((s) => Number(s.id) > Number(id)).sort((a, b) => a.id - b.id)[0];
  at("cards").insertBefore(card, after ? after.card : null);
  seen.observe(card);
  at("nobody").hidden = true;
  return strap;
}

function applyStrap(id, entry) {
  const strap = straps.get(id) ?? newStrap(id);
  const { trace, intervals, ...data } = entry;
  if (trace?.length) { strap.trace.push(...trace); strap.unit = trace[trace.length - 1][3]; }
  if (intervals) strap.intervals.push(...intervals);
  const oldest = page.now - TRACE_KEPT_MS;
  while (strap.trace.length && strap.trace[0][0] + strap.trace[0][1] * strap.trace[0][4].length < oldest) strap.trace.shift();
  while (strap.intervals.length && strap.intervals[0][0] < page.now - RR_MS) strap.intervals.shift();
  if (data.hrv === undefined) return;
  const d = strap.data = data;
  text(strap.title, d.label);
  text(strap.phase, d.phase ? `${page.signs[d.phase] ?? ""} ${d.phase}` : "–");
  text(strap.rate, shown(d.hr));
  const link = d.reconnects ? `${d.reconnects + 1} links` : "";
  const bad = d.malformed ? `${d.malformed} malformed` : "";
  const why = d.quality === false && d.reasons.length ? d.reasons.join(", ") : "";
  text(strap.message, [d.message, why, link, bad, d.model].filter(Boolean).join(" · "));
  strap.card.className = `card ${d.phase ?? ""}`;
  FACTS.forEach(([, value, isBad], i) => {
    text(strap.facts[i], value(d));
    strap.facts[i].classList.toggle("bad", isBad !== null && isBad(d));
  });
}

function applySession(session) {
  page.session = session;
  if (!session) return;
  text(at("name"), session.name);
  document.title = `${session.name}: allostat live`;
  text(at("journal"), bytes(session.journal));
  text(at("risk"), session.risk ? `${bytes(session.risk)} for ${session.risk_s.toFixed(1)} s` : "nothing");
  text(at("markers"), String(session.markers));
  const words = [];
  if (session.refused) words.push(`The disk refused ${session.refused} records: they are lost to the file.`);
  else if (session.attention) words.push(`Nothing has reached the disk for ${session.risk_s.toFixed(0)} s.`);
  if (session.message) words.push(session.message);
  at("alarm").hidden = !words.length;
  text(at("alarm"), words.join(" "));
}

function applyLog(lines) {
  const list = at("log");
  const follows = list.scrollTop + list.clientHeight > list.scrollHeight - 30;
  for (const [ms, label, kind, what] of lines) {
    const item = made("li", kind, list);
    text(made("time", "", item), clock(ms));
    if (label) text(made("b", "", item), label);
    item.append(what);
  }
  while (list.children.length > LOG_KEPT) list.firstElementChild.remove();
  if (follows) list.scrollTop = list.scrollHeight;
}

function applyLabels(labels) {
  page.labels = labels;
  at("numbered").replaceChildren();
  labels.forEach((label, i) => {
    const button = made("button", "", at("numbered"));
    button.type = "button";
    text(button, `${i + 1} ${label}`);
    button.addEventListener("click", (event) => mark(label, event.timeStamp));
  });
}

function apply(frame) {
  page.now = Math.max(frame.full ? 0 : page.now, frame.now);
  if (frame.full) {
    page.fulls += 1;
    for (const strap of straps.values()) { seen.unobserve(strap.card); strap.card.remove(); }
    straps.clear();
    at("log").replaceChildren();
    page.signs = frame.signs;
    page.offsets = [];
    applyLabels(frame.labels);
  }
  if (frame.session !== undefined) applySession(frame.session);
  for (const [id, entry] of Object.entries(frame.straps ?? {})) applyStrap(id, entry);
  if (frame.log) applyLog(frame.log);
  if (frame.lost) page.lost += frame.lost;
  page.frames += 1;
  page.last = performance.now();
  page.second.push(page.last);
  while (page.second[0] < page.last - 3000) page.second.shift();
  draw();
}

/* The right edge of all traces: the session's clock, estimated from the newest data of the last seconds. */
function edge() {
  const here = performance.now();
  page.offsets.push([here, page.now - here]);
  while (page.offsets[0][0] < here - 3000) page.offsets.shift();
  const guess = here + Math.max(...page.offsets.map((o) => o[1])) - BEHIND_MS;
  return Math.abs(guess - page.now) > 3000 ? page.now : guess;
}

function fitted(canvas) {
  const ratio = globalThis.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  pen.lineJoin = "round";
  pen.lineWidth = 1.3 * ratio;
  return [pen, width, height, ratio];
}

function drawTrace(strap, end) {
  const [pen, width, height, ratio] = fitted(strap.canvas);
  const start = end - TRACE_MS, points = [];
  let low = Infinity, high = -Infinity, before = -Infinity;
  for (const [t0, step, scale, , raw] of strap.trace) {
    if (t0 > before + 1.5 * step) points.push(null);
    for (let i = 0; i < raw.length; i++) {
      const t = t0 + i * step;
      if (t < start || t > end) continue;
      const y = raw[i] * scale;
      if (y < low) low = y;
      if (y > high) high = y;
      points.push([t, y]);
    }
    before = t0 + (raw.length - 1) * step;
  }
  const across = (t) => (t - start) / TRACE_MS * width;
  pen.strokeStyle = page.colours.rule;
  pen.beginPath();
  for (let t = Math.ceil(start / 1000) * 1000; t < end; t += 1000) { pen.moveTo(across(t), 0); pen.lineTo(across(t), height); }
  pen.stroke();
  if (high > -Infinity) {
    const span = high - low || 1, up = (y) => height - 5 * ratio - (y - low) / span * (height - 20 * ratio);
    pen.strokeStyle = page.colours.blue;
    pen.beginPath();
    let open = false;
    for (const p of points) {
      if (p === null) { open = false; continue; }
      if (open) pen.lineTo(across(p[0]), up(p[1])); else pen.moveTo(across(p[0]), up(p[1]));
      open = true;
    }
    pen.stroke();
  }
  const unit = strap.unit === "uV" ? "µV" : strap.unit;
  const words = high > -Infinity
    ? `${(strap.data.stream ?? "").toUpperCase()} ${shown(low)} to ${shown(high)} ${unit}, 6 s`
    : "no signal";
  caption(pen, strap.canvas, words, ratio);
}

function drawIntervals(strap, end) {
  const [pen, width, height, ratio] = fitted(strap.rr);
  const points = strap.intervals.filter((p) => p[0] > end - RR_MS && p[0] <= end + BEHIND_MS);
  if (!points.length) { caption(pen, strap.rr, "no intervals", ratio); return; }
  const values = points.map((p) => p[1]);
  const low = Math.min(...values), high = Math.max(...values), span = Math.max(high - low, 50);
  pen.strokeStyle = page.colours.vermillion;
  pen.beginPath();
  let before = null;
  for (const [t, ms] of points) {
    const x = (t - (end - RR_MS)) / (RR_MS + BEHIND_MS) * width, y = height - 4 * ratio - (ms - low) / span * (height - 18 * ratio);
    if (before !== null && t - before < ms * 1.5) pen.lineTo(x, y); else pen.moveTo(x, y);
    before = t;
  }
  pen.stroke();
  caption(pen, strap.rr, `intervals ${shown(low)} to ${shown(high)} ms, 2 min`, ratio);
}

function caption(pen, canvas, words, ratio) {
  pen.font = `${11 * ratio}px system-ui, sans-serif`;
  pen.fillStyle = page.colours.muted;
  pen.fillText(words, 5 * ratio, 12 * ratio);
  canvas.words = words;
}

function draw() {
  const end = edge();
  page.edge = end;
  for (const strap of straps.values()) {
    if (!strap.visible) continue;
    drawTrace(strap, end);
    drawIntervals(strap, end);
  }
}

/* Slow things: texts that a screen reader would read too often, and what this page knows of its own link. */
function eachSecond() {
  if (page.session) text(at("elapsed"), duration(page.now - page.session.started));
  const phases = [...straps.values()].map((s) => s.data.phase);
  text(at("count"), `${phases.filter((p) => p === "streaming").length} of ${phases.length} streaming`);
  const rate = page.second.filter((t) => t > performance.now() - 3000).length / 3;
  const loss = page.lost ? `, ${page.lost} pieces lost by this page` : "";
  if (page.ended) text(at("link"), "the session has ended");
  else if (performance.now() - page.last > 3000) text(at("link"), "no connection; trying again");
  else text(at("link"), `following${loss}`);
  at("link").title = `${rate.toFixed(1)} frames per second`;
  for (const strap of straps.values()) {
    for (const [canvas, what] of [[strap.canvas, "signal"], [strap.rr, "tachogram"]]) {
      const words = `${strap.data.label ?? ""}: ${what}, ${canvas.words ?? ""}`;
      if (canvas.getAttribute("aria-label") !== words) canvas.setAttribute("aria-label", words);
    }
  }
}

async function mark(label, stamp) {
  /* The moment of the key press or click, not of the request's arrival. */
  const age = Math.max(0, performance.now() - stamp);
  try {
    const answer = await fetch("markers", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ label, age_ms: age }),
    });
    const body = await answer.text();
    text(at("marked"), answer.ok ? `marked: ${label}` : body.trim());
  } catch {
    text(at("marked"), "not marked: no connection to the session");
  }
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["blue", "vermillion", "rule", "muted"]) page.colours[name] = style.getPropertyValue(`--${name}`).trim();
}

function follow() {
  const events = new EventSource("events");
  events.onmessage = (event) => apply(JSON.parse(event.data));
  events.addEventListener("end", () => { page.ended = true; events.close(); eachSecond(); });
  /* A refused answer ends an EventSource for good; a page left open should still find a session that comes back. */
  events.onerror = () => {
    if (events.readyState === EventSource.CLOSED && !page.ended) setTimeout(follow, 3000);
  };
}

document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "m") mark("marker", event.timeStamp);
  const label = page.labels[Number(event.key) - 1];
  if (label !== undefined) mark(label, event.timeStamp);
});
at("mark").addEventListener("submit", (event) => {
  event.preventDefault();
  mark(at("label").value.trim() || "marker", event.timeStamp);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", colours);
colours();
follow();
setInterval(eachSecond, 1000);
