// One connection: its parameters, its state, and what to do about it.
import type { Data, Endpoint, Model, Row } from "./data.js";
import { type Json, Num } from "./scan.js";
import { isSecret, load, save } from "./store.js";
import type { Order, Report } from "./wire.js";

export type State =
  | { is: "idle" }
  | { is: "connecting"; since: number }
  | { is: "open"; since: number; protocol: string }
  | { is: "retry"; at: number; code: number; reason: string }
  | { is: "refused"; status: number; code: string; detail: string; issues: { path: string; code: string; message: string }[] }
  | { is: "unreachable"; upgradable: boolean; detail: string }
  | { is: "closed"; code: number; reason: string; mine: boolean };

export class Connection {
  state: State = { is: "idle" };
  readonly values = new Map<string, string>(); // of parameters, by "in.name"
  protocol = ""; // the one offered, "" for all
  server = ""; // "" is the page's own
  counts = { in: 0, out: 0, buffered: 0 };
  tries = 0;
  queue: { text: string; binary: boolean; name: string; message: string }[] = [];
  private timer = 0;
  onchange: () => void = () => {};

  constructor(readonly id: number, public endpoint: Endpoint, private model: Model, private readonly post: (o: Order) => void) {
    this.fill();
  }

  get letter(): string {
    return String.fromCharCode(65 + (this.id % 26));
  }

  get busy(): boolean {
    return this.state.is === "connecting" || this.state.is === "open" || this.state.is === "retry";
  }

  retarget(e: Endpoint, model: Model): void {
    this.model = model;
    this.endpoint = e;
    this.values.clear();
    this.protocol = "";
    if (!this.busy) this.state = { is: "idle" };
    this.fill();
    this.onchange();
  }

  update(model: Model, e: Endpoint): void {
    this.model = model;
    this.endpoint = e;
  }

  parameters(): Row[] {
    return this.endpoint.parameters ?? [];
  }

  private fill(): void {
    const stored = load<Record<string, string>>("parameters " + this.endpoint.path, {});
    for (const p of this.parameters()) {
      const k = key(p);
      if (isSecret(p)) continue;
      if (stored[k] !== undefined) this.values.set(k, stored[k]!);
      else if (p.in === "path" || p.required) this.values.set(k, sample(p, this.model.parameter(p)));
    }
  }

  set(p: Row, value: string): void {
    this.values.set(key(p), value);
    const keep: Record<string, string> = {};
    for (const q of this.parameters()) {
      const v = this.values.get(key(q));
      if (v !== undefined && !isSecret(q)) keep[key(q)] = v;
    }
    save("parameters " + this.endpoint.path, keep);
  }

  secrets(): string[] {
    return this.parameters().filter(isSecret).map((p) => this.values.get(key(p)) ?? "").filter((v) => v.length > 2);
  }

  /** Where this connects to, as http(s); masked for people. */
  address(data: Data, masked: boolean): URL {
    const base = this.server ? new URL(this.server + "/") : new URL(data.root.replace(/\/?$/, "/"), location.href.replace(/[?#].*/, ""));
    let path = this.endpoint.path;
    const query: string[] = [];
    for (const p of this.parameters()) {
      const raw = this.values.get(key(p)) ?? "";
      const v = masked && isSecret(p) && raw ? "****" : raw;
      if (p.in === "path") path = path.replaceAll(`{${p.name}}`, () => segments(v));
      else if (p.in === "query" && raw !== "") {
        for (const one of isList(p) ? v.split(",").map((x) => x.trim()) : [v]) query.push(`${encode(p.name)}=${encode(one)}`);
      }
    }
    const u = new URL(base);
    u.pathname = base.pathname.replace(/\/$/, "") + path;
    u.search = query.length ? "?" + query.join("&") : "";
    u.hash = "";
    return u;
  }

  protocols(masked = false): string[] {
    const list: string[] = [];
    for (const p of this.parameters()) {
      const v = this.values.get(key(p));
      if (p.in === "subprotocol" && v) list.push(p.name + (masked ? "****" : v));
    }
    const own = this.endpoint.subprotocols ?? [];
    list.unshift(...(this.protocol ? [this.protocol] : own));
    return list;
  }

  private opened = "";

  /** Whether the parameters lead elsewhere than the open connection does. */
  moved(data: Data): boolean {
    return this.opened !== this.address(data, false).href + this.protocols().join();
  }

  reconnect(): void {
    this.post({ do: "close", conn: this.id });
    this.again = true;
  }

  private again = false;

  connect(data: Data): void {
    clearTimeout(this.timer);
    this.again = false;
    this.opened = this.address(data, false).href + this.protocols().join();
    const probe = this.address(data, false), url = new URL(probe);
    url.protocol = probe.protocol.replace("http", "ws");
    this.go({ is: "connecting", since: Date.now() });
    this.post({ do: "open", conn: this.id, endpoint: this.endpoint.id, url: url.href, probe: probe.href, protocols: this.protocols() });
  }

  close(): void {
    clearTimeout(this.timer);
    this.queue = [];
    this.tries = 0;
    const was = this.state.is;
    if (was === "open" || was === "connecting") this.post({ do: "close", conn: this.id });
    if (was !== "open") this.go({ is: "idle" });
  }

  send(m: { text: string; binary: boolean; name: string; message: string }, data: Data): void {
    if (this.state.is === "open") this.post({ do: "send", conn: this.id, ...m });
    else {
      this.queue.push(m);
      if (this.state.is !== "connecting") this.connect(data);
      else this.onchange();
    }
  }

  hear(r: Report & { conn: number }, data: Data): void {
    switch (r.is) {
      case "open":
        this.tries = 0;
        this.counts = { in: 0, out: 0, buffered: 0 };
        this.go({ is: "open", since: Date.now(), protocol: r.protocol });
        for (const m of this.queue.splice(0)) this.post({ do: "send", conn: this.id, ...m });
        break;
      case "refused":
        this.queue = [];
        this.go({ is: "refused", status: r.status, code: r.code, detail: r.detail, issues: r.issues });
        break;
      case "unreachable":
        if (this.tries > 0) this.retry(data, 0, "");
        else {
          this.queue = [];
          this.go({ is: "unreachable", upgradable: r.upgradable, detail: r.detail });
        }
        break;
      case "closed":
        if (this.again) this.connect(data);
        else if (!r.mine && [1001, 1006, 1012, 1013].includes(r.code)) this.retry(data, r.code, r.reason);
        else this.go({ is: "closed", code: r.code, reason: r.reason, mine: r.mine });
        break;
    }
  }

  private retry(data: Data, code: number, reason: string): void {
    const wait = Math.min(1000 * 2 ** this.tries++, 30_000);
    this.go({ is: "retry", at: Date.now() + wait, code, reason });
    this.timer = setTimeout(() => this.connect(data), wait) as unknown as number;
  }

  private go(s: State): void {
    this.state = s;
    this.onchange();
  }
}

export const key = (p: Row): string => `${p.in}.${p.name}`;
/** A lone surrogate has no UTF-8. */
const encode = (s: string): string => encodeURIComponent(s.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd"));
/** A value within a path: its slashes are the path's, where the pattern takes several segments; a step to elsewhere is none. */
const segments = (v: string): string => v.split("/").map((s) => encode(/^\.\.?$/.test(s) ? s.replaceAll(".", "%2E") : s)).join("/");
export const isList = (p: Row): boolean => p.type[0]?.text.startsWith("array") ?? false;

/** A value that the schema takes. */
export function sample(p: Row, schema: Json): string {
  if (schema instanceof Map) {
    for (const k of ["examples", "const", "default", "enum"]) {
      const v = schema.get(k), first = Array.isArray(v) ? v[0] : v;
      if (typeof first === "string") return first;
      if (first instanceof Num) return first.raw;
      if (typeof first === "boolean") return String(first);
    }
    const type = schema.get("type"), min = schema.get("minimum");
    if (type === "integer" || type === "number") return min instanceof Num ? min.raw : "1";
    if (type === "boolean") return "true";
    if (schema.has("pattern") || schema.has("format")) return "";
    const max = schema.get("maxLength");
    if (max instanceof Num && p.name.length > Number(max.raw)) return p.name.slice(0, Number(max.raw));
  }
  return p.name;
}
