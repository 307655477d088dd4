// The thread of the sockets: it receives, judges and keeps every message, and tells the page what fits a screen.
import { classify, explain } from "./classify.js";
import { type Endpoint, Model } from "./data.js";
import { byteLength, member, parse } from "./scan.js";
import { decode } from "./text.js";
import { validate } from "./validate.js";
import { type Counts, type Entry, kept, type Order, type Report } from "./wire.js";

const perBatch = 300, every = 100; // at most so many messages are told in so many ms
const rest = 250; // ms from one batch to the next in a flood: nobody reads faster, and drawing costs the cores that receive
const patience = 3000; // ms for a server to answer that the page closed
const maxKept = 20_000, maxBytes = 64 << 20; // memory for what came
const maxJudged = 4 << 20; // longer messages are known by their name only

interface Socket {
  ws: WebSocket;
  endpoint: Endpoint;
  opened: boolean;
  mine: boolean; // the page asked for the end
  counts: Counts;
  sentAt: number;
  asked: Map<string, number>; // times by correlation id
}

let model: Model | null = null;
const sockets = new Map<number, Socket>();
const texts = new Map<number, { text: string; entry: Entry }>();
let bytes = 0, seq = 0, forgotten = 0;
let rows: Entry[] = [], inBatch = 0, skipped = 0, skippedFrom: Entry | null = null, timer = 0, stale = false;

const scope = self as unknown as { postMessage(r: Report): void; onmessage: ((e: MessageEvent<Order>) => void) | null };
const tell = (r: Report): void => scope.postMessage(r);

scope.onmessage = ({ data: o }) => {
  switch (o.do) {
    case "data":
      model = new Model(o.text);
      for (const s of sockets.values()) s.endpoint = model.endpoints.find((e) => e.path === s.endpoint.path) ?? s.endpoint;
      break;
    case "open":
      open(o);
      break;
    case "close": {
      const s = sockets.get(o.conn);
      if (s) {
        s.mine = true;
        s.ws.close(1000);
        if (!s.opened) drop(o.conn, s);
        else setTimeout(() => abandon(o.conn, s), patience);
      }
      break;
    }
    case "send":
      send(o);
      break;
    case "text": {
      const t = texts.get(o.seq)?.text ?? null;
      tell({ is: "text", seq: o.seq, text: t && t.slice(0, 1 << 20), total: t?.length ?? 0 });
      break;
    }
    case "clear":
      texts.clear();
      rows = [];
      bytes = forgotten = skipped = 0;
      skippedFrom = null;
      break;
    case "export":
      tell({ is: "exported", blob: exported(o.hide) });
      break;
    case "check": {
      const e = endpoint(o.endpoint), m = e?.send?.find((k) => k.id === o.message);
      tell({ is: "checked", ticket: o.ticket, issues: validate(o.text, model && e && m ? model.plan(e, m) : null) });
      break;
    }
  }
};

function endpoint(id: string): Endpoint | undefined {
  return model?.endpoints.find((e) => e.id === id);
}

function open(o: Order & { do: "open" }): void {
  const e = endpoint(o.endpoint);
  if (!e) return;
  let ws: WebSocket;
  try {
    ws = o.protocols.length ? new WebSocket(o.url, o.protocols) : new WebSocket(o.url);
  } catch (err) {
    tell({ is: "unreachable", conn: o.conn, upgradable: false, detail: err instanceof Error ? err.message : "" });
    return;
  }
  ws.binaryType = "arraybuffer";
  const s: Socket = { ws, endpoint: e, opened: false, mine: false, counts: { conn: o.conn, in: 0, out: 0, buffered: 0 }, sentAt: 0, asked: new Map() };
  sockets.set(o.conn, s);
  ws.onopen = () => {
    s.opened = true;
    tell({ is: "open", conn: o.conn, protocol: ws.protocol });
    event(o.conn, "open", ws.protocol ? `connected, ${ws.protocol}` : "connected");
  };
  ws.onmessage = (m) => {
    if (sockets.get(o.conn) !== s) return;
    s.counts.in++;
    stale = true;
    if (inBatch >= perBatch) skip(o.conn); // without m.data: nobody looks at it, so it need not become a value of JavaScript's
    else received(o.conn, s, m.data as string | ArrayBuffer);
  };
  ws.onclose = (c) => {
    if (sockets.get(o.conn) !== s) return;
    drop(o.conn, s);
    if (s.opened) {
      event(o.conn, "closed", `${c.code}${c.reason ? " " + c.reason : ""}`);
      flush();
      tell({ is: "closed", conn: o.conn, code: c.code, reason: c.reason, clean: c.wasClean, mine: s.mine });
    } else if (!s.mine) void probe(o, e);
  };
}

/** The end of a connection whose server does not answer that the page closed it. */
function abandon(conn: number, s: Socket): void {
  if (sockets.get(conn) !== s) return;
  drop(conn, s);
  event(conn, "closed", "1006 without an answer");
  flush();
  tell({ is: "closed", conn, code: 1006, reason: "", clean: false, mine: true });
}

function drop(conn: number, s: Socket): void {
  if (sockets.get(conn) === s) sockets.delete(conn);
  flush();
}

/** Asks by a plain GET for the reason that browsers hide. */
async function probe(o: Order & { do: "open" }, e: Endpoint): Promise<void> {
  const limit = new AbortController(), stop = setTimeout(() => limit.abort(), 5000);
  try {
    const r = await fetch(o.probe, { credentials: "same-origin", cache: "no-store", redirect: "manual", signal: limit.signal });
    const body = await r.text();
    let code = "", detail = "", issues: { path: string; code: string; message: string }[] = [];
    try {
      const v = JSON.parse(body) as Record<string, unknown>;
      code = String(v["code"] ?? "");
      detail = String(v["detail"] ?? "");
      if (Array.isArray(v["issues"])) issues = v["issues"].map((i: Record<string, unknown>) => ({ path: String(i["path"] ?? ""), code: String(i["code"] ?? ""), message: String(i["message"] ?? "") }));
    } catch {
      detail = body.length < 300 && !body.includes("<") ? body.trim() : "";
    }
    if (r.type === "opaqueredirect") tell({ is: "refused", conn: o.conn, status: 302, code: "redirect", detail: "the address answers with a redirect, which a WebSocket cannot follow", issues });
    else if (r.status === 426) tell({ is: "unreachable", conn: o.conn, upgradable: true, detail: "" });
    else tell({ is: "refused", conn: o.conn, status: r.status, code, detail, issues });
    event(o.conn, "refused", `${r.status} ${code || detail || e.path}`);
  } catch {
    tell({ is: "unreachable", conn: o.conn, upgradable: false, detail: "" });
    event(o.conn, "unreachable", "no answer");
  } finally {
    clearTimeout(stop);
  }
}

function send(o: Order & { do: "send" }): void {
  const s = sockets.get(o.conn);
  if (s?.ws.readyState !== WebSocket.OPEN) {
    tell({ is: "unsent", conn: o.conn, why: "the connection is not open" });
    return;
  }
  const m = s.endpoint.send?.find((k) => k.id === o.message);
  const plan = model && m ? model.plan(s.endpoint, m) : null;
  const issues = plan && o.text.length <= maxJudged ? validate(o.text, plan) : [];
  if (o.binary) s.ws.send(new TextEncoder().encode(o.text));
  else s.ws.send(o.text);
  const size = byteLength(o.text);
  s.counts.out++;
  s.sentAt = performance.now();
  const id = s.endpoint.correlation && member(o.text, s.endpoint.correlation);
  if (id) {
    s.asked.set(id, s.sentAt);
    if (s.asked.size > 1000) s.asked.delete(s.asked.keys().next().value!);
  }
  add(entry(o.conn, "out", o.text, size, {
    name: o.name, message: o.message, binary: o.binary,
    ...(issues.length ? { flag: "invalid" as const, why: explain(issues[0]), issues: issues.slice(0, 20) } : {}),
  }));
  flush();
}

function received(conn: number, s: Socket, data: string | ArrayBuffer): void {
  const binary = typeof data !== "string";
  inBatch++;
  let text: string, good = true;
  if (binary) {
    const d = decode(new Uint8Array(data));
    text = d.text;
    good = d.good;
    if (!good) text = hex(new Uint8Array(data));
  } else text = data;
  const size = binary ? data.byteLength : byteLength(text);
  const more: Partial<Entry> = { binary };
  if (!model) more.name = "frame";
  else if (text.length > maxJudged) Object.assign(more, large(s.endpoint, text));
  else {
    const v = good ? classify(model, s.endpoint, text, binary) : classify(model, s.endpoint, "\ud800", binary);
    Object.assign(more, { ...v, issues: v.issues.slice(0, 20) });
  }
  const now = performance.now();
  const id = s.endpoint.correlation ? member(text.length > maxJudged ? text.slice(0, kept) : text, s.endpoint.correlation) : undefined;
  const asked = id === undefined ? undefined : s.asked.get(id);
  if (asked !== undefined) {
    more.latency = now - asked;
    more.exact = true;
    s.asked.delete(id!);
    s.sentAt = 0;
  } else if (s.sentAt) {
    if (now - s.sentAt < 10_000) more.latency = now - s.sentAt;
    s.sentAt = 0;
  }
  add(entry(conn, "in", text, size, more));
}

/** Names a message too long to be judged, by its first bytes. */
function large(e: Endpoint, text: string): Partial<Entry> {
  const name = e.discriminator ? member(text.slice(0, kept), e.discriminator) : undefined;
  const m = e.receive?.find((k) => name !== undefined && k.names?.includes(name));
  return { name: m?.name ?? "frame", message: m?.id ?? "", why: "too long to be checked here" };
}

function hex(b: Uint8Array): string {
  let s = "";
  for (const c of b.subarray(0, 1 << 16)) s += c.toString(16).padStart(2, "0") + " ";
  return s.trimEnd();
}

function entry(conn: number, dir: Entry["dir"], text: string, size: number, more: Partial<Entry>): Entry {
  const e: Entry = {
    seq: ++seq, time: Date.now(), conn, dir, name: "", message: "", flag: "", why: "", add: "", issues: [],
    text: text.length > kept ? text.slice(0, kept) : text, size, cut: text.length > kept, binary: false, latency: -1, exact: false, count: 1, ...more,
  };
  if (dir !== "event") keep(e, text);
  return e;
}

function keep(e: Entry, text: string): void {
  texts.set(e.seq, { text, entry: e });
  bytes += text.length * 2;
  while ((bytes > maxBytes || texts.size > maxKept) && texts.size > 1) {
    const [first, old] = texts.entries().next().value!;
    texts.delete(first);
    bytes -= old.text.length * 2;
    forgotten++;
  }
}

function event(conn: number, name: string, why: string): void {
  add(entry(conn, "event", "", 0, { name, why }));
}

function skip(conn: number): void {
  skipped++;
  if (skippedFrom?.conn === conn) skippedFrom.count++;
  else {
    skippedFrom = entry(conn, "event", "", 0, { name: "skipped" });
    rows.push(skippedFrom);
  }
  later();
}

function add(e: Entry): void {
  if (skippedFrom && e.dir !== "event") skippedFrom = null;
  rows.push(e);
  later();
}

function later(): void {
  if (!timer) timer = setTimeout(flush, inBatch > 20 ? every : 8) as unknown as number;
}

function flush(): void {
  clearTimeout(timer);
  timer = 0;
  if (!rows.length && !stale) return;
  const counts = [...sockets.values()].map((s) => ({ ...s.counts, buffered: s.ws.bufferedAmount }));
  tell({ is: "rows", rows, skipped, forgotten, counts });
  rows = [];
  stale = false;
  skippedFrom = null;
  const spent = inBatch;
  inBatch = 0;
  if (spent >= perBatch) timer = setTimeout(flush, rest) as unknown as number; // what comes too much is counted
}

function exported(hide: string[]): Blob {
  const parts: string[] = [];
  for (const { text, entry: e } of texts.values()) {
    let data = text;
    for (const secret of hide) data = data.replaceAll(secret, "••••");
    const about = { time: new Date(e.time).toISOString(), connection: String.fromCharCode(65 + (e.conn % 26)), direction: e.dir === "in" ? "received" : "sent", name: e.name, note: e.flag || undefined };
    const json = !e.binary && data.length <= maxJudged && parse(data) !== undefined; // as it came, so that no number is rounded
    parts.push(JSON.stringify(about).slice(0, -1) + ',"data":' + (json ? data.replaceAll(/[\r\n]/g, " ") : JSON.stringify(data)) + "}\n");
  }
  return new Blob(parts, { type: "application/x-ndjson" });
}
