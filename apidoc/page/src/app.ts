// The page: three regions, what is selected, and the threads between them.
import { Bar } from "./bar.js";
import { Compose } from "./compose.js";
import { Connection, key } from "./connection.js";
import { type Endpoint, type Message, Model } from "./data.js";
import { command, copy, fill, h, icon, narrow, plain } from "./dom.js";
import { keysDialog, listen } from "./keys.js";
import { Log } from "./log.js";
import { Nav } from "./nav.js";
import { coloured } from "./editor.js";
import { codesPage, endpointPage, overview, schemaOf } from "./reference.js";
import { write } from "./scan.js";
import { isSecret, load, save } from "./store.js";
import type { Entry, Order, Report } from "./wire.js";

export interface Place { id: string; endpoint: Endpoint | null; message: Message | null; send: boolean; row: string }

const tabs = ["Messages", "Compose", "Log"] as const;

export class App {
  readonly conns: Connection[] = [];
  active: Connection;
  place: Place = { id: "", endpoint: null, message: null, send: false, row: "" };
  readonly log: Log;
  readonly nav: Nav;
  readonly bar: Bar;
  readonly compose: Compose;
  readonly middle = h("div.middle", { tabindex: "-1" });
  readonly notice = h("div.notice", { role: "status", hidden: true });
  private readonly stale = h("div.stale", { role: "status", hidden: true });
  private readonly tabBar = h("nav.tabs", { "aria-label": "Parts of the page" });
  private readonly worker: Worker;
  private readonly asked = new Map<number, (t: { text: string; total: number }) => void>();
  private readonly used = new Set<string>();
  private nextConn = 0;
  private missed = 0;

  constructor(public model: Model, private etag: string, private readonly beside: (name: string) => string, private readonly root: HTMLElement) {
    this.worker = new Worker(trusted(beside(model.data.worker)) as string);
    this.worker.onmessage = ({ data }: MessageEvent<Report>) => this.hear(data);
    this.worker.onerror = () => this.say("The thread of the sockets did not start. Reload the page.");
    this.post({ do: "data", text: model.text });
    this.theme(load("theme", ""));
    this.nav = new Nav(this);
    this.bar = new Bar(this);
    this.compose = new Compose(this);
    this.log = new Log(this);
    this.active = model.endpoints[0] ? this.connection(model.endpoints[0]) : (null as unknown as Connection);
    this.layout();
    this.bar.draw();
    listen(this);
    addEventListener("hashchange", () => this.go(location.hash.slice(1)));
    addEventListener("popstate", () => this.go(location.hash.slice(1)));
    this.go(location.hash.slice(1), true);
    setInterval(() => void this.look(), 30_000);
    document.addEventListener("visibilitychange", () => void this.look());
  }

  post(o: Order): void {
    this.worker.postMessage(o);
  }

  // ---- layout

  private layout(): void {
    const d = this.model.data;
    const links = [...document.querySelectorAll<HTMLAnchorElement>(".top .links a")].map((a) => h("a", { href: a.getAttribute("href")! }, a.textContent ?? ""));
    const brand = h("a.brand", { href: "#", onclick: (e: Event) => (e.preventDefault(), this.select("overview")) },
      h("span.mark", { "aria-hidden": "true" }, h("b", {}, "↑"), h("b", {}, "↓")), h("h1", {}, d.title), d.version ? h("span.version", {}, d.version) : null);
    const header = h("header.top", {}, brand, this.nav.find,
      h("nav.links", { "aria-label": "Documents" }, ...links,
        h("button.icon", { type: "button", title: "Keys (?)", "aria-label": "Keyboard shortcuts", onclick: () => keysDialog(this) }, "?"),
        h("button.icon", { type: "button", title: "Light or dark", "aria-label": "Change colours", onclick: () => this.theme(this.root.dataset["theme"] === "dark" ? "light" : this.root.dataset["theme"] === "light" ? "" : matchMedia("(prefers-color-scheme:dark)").matches ? "light" : "dark") }, icon("theme"))));
    fill(this.tabBar, ...tabs.map((t, i) => h("button", { type: "button", "data-tab": t, "aria-pressed": "false", onclick: () => this.tab(i) }, t, t === "Log" ? h("span.dot") : null, t === "Log" ? h("span.more", { hidden: true }) : null)));
    const right = h("div.right", {}, this.bar.element, this.log.element);
    const app = h("div.app", {}, h("a.skip", { href: "#main", onclick: (e: Event) => (e.preventDefault(), this.middle.focus()) }, "Skip to content"), header, this.stale, this.notice, h("main.regions", { id: "main" }, this.nav.element, this.middle, right), this.tabBar);
    if (!this.model.endpoints.length) right.hidden = true;
    document.body.replaceChildren(app);
    document.body.className = "console";
    this.tab(1);
  }

  tab(i: number): void {
    this.root.dataset["tab"] = tabs[i]!;
    for (const b of this.tabBar.querySelectorAll("button")) b.setAttribute("aria-pressed", String(b.dataset["tab"] === tabs[i]));
    if (i === 2) this.count(-this.missed);
    this.log.refresh();
  }

  /** Counts what came while the log was out of sight. */
  private count(more: number): void {
    this.missed = this.root.dataset["tab"] === "Log" ? 0 : this.missed + more;
    const badge = this.tabBar.querySelector<HTMLElement>(".more");
    if (!badge) return;
    badge.hidden = !this.missed;
    badge.textContent = this.missed > 999 ? "999+" : String(this.missed);
  }

  private theme(t: string): void {
    if (t) this.root.dataset["theme"] = t;
    else delete this.root.dataset["theme"];
    save("theme", t || undefined);
  }

  say(text: string): void {
    fill(this.notice, h("span", {}, text), h("button.icon", { type: "button", "aria-label": "Dismiss", onclick: () => (this.notice.hidden = true) }, icon("clear")));
    this.notice.hidden = false;
  }

  // ---- what is selected

  /** Every place that a link can name. */
  find(id: string): Place | null {
    for (const e of this.model.endpoints) {
      if (e.id === id || e.path === id) return { id: e.id, endpoint: e, message: null, send: false, row: "" };
      for (const [list, send] of [[e.send, true], [e.receive, false]] as const) {
        for (const m of list ?? []) {
          if (m.id === id) return { id, endpoint: e, message: m, send, row: "" };
          const row = m.rows?.find((r) => r.id === id);
          if (row) return { id: m.id, endpoint: e, message: m, send, row: id };
        }
      }
      if (e.parameters?.some((p) => p.id === id)) return { id: e.id, endpoint: e, message: null, send: false, row: id };
    }
    for (const m of this.model.data.types ?? []) {
      if (m.id === id) return { id, endpoint: null, message: m, send: false, row: "" };
      if (m.rows?.some((r) => r.id === id)) return { id: m.id, endpoint: null, message: m, send: false, row: id };
    }
    if (id === "overview" || id === "close-codes" || id === "error-codes") return { id, endpoint: null, message: null, send: false, row: "" };
    for (const [list, prefix, page] of [[this.model.data.closes, "close-", "close-codes"], [this.model.data.errors, "error-", "error-codes"]] as const) {
      if (id.startsWith(prefix) && list.some((f) => prefix + f.name === id)) return { id: page, endpoint: null, message: null, send: false, row: id };
    }
    return null;
  }

  first(): Place | null {
    const ends = this.model.endpoints, e = ends.find((x) => x.send?.length) ?? ends[0];
    if (!e) return null;
    return e.send?.length ? { id: e.send[0]!.id, endpoint: e, message: e.send[0]!, send: true, row: "" } : { id: e.id, endpoint: e, message: null, send: false, row: "" };
  }

  /** Follows a link: it selects and fills in, it never connects and never sends. */
  go(hash: string, arrival = false): void {
    const [rawID, query] = cut(hash, "?");
    let id = rawID;
    try {
      id = decodeURIComponent(rawID);
    } catch {
      // as it is
    }
    const nowhere: Place = { id: "", endpoint: null, message: null, send: false, row: "" };
    const place = (id && this.find(id)) || (arrival || !id ? this.first() ?? nowhere : null);
    if (id && !this.find(id)) this.say(`The link names ${id.slice(0, 80)}, which is not here any more.`);
    if (!place) return;
    this.show(place, arrival);
    if (query && this.active) this.parameters(new URLSearchParams(query));
  }

  private parameters(q: URLSearchParams): void {
    for (const [k, v] of q) {
      const p = this.active.parameters().find((x) => key(x) === k);
      if (p && !isSecret(p)) this.active.values.set(k, v.slice(0, 1000));
      else if (k === "server") {
        if (this.model.data.servers.includes(v)) this.active.server = v;
        else this.say("The link names a server that this document does not: it was ignored.");
      }
    }
    this.bar.redraw();
  }

  select(id: string): void {
    const place = id ? this.find(id) : this.first();
    if (!place) return;
    if (narrow()) this.tab(1); // first: what is hidden does not scroll
    this.show(place, false);
    this.linked(true);
    if (narrow()) this.enter(); // what was chosen from is out of sight
  }

  /** Brings the focus to what was chosen; on a small screen not into the editor, where it would call up a keyboard. */
  enter(): void {
    if (this.place.send && !narrow()) this.compose.focus();
    else this.middle.focus({ preventScroll: true });
  }

  /** Keeps the address such that it leads here. */
  linked(push = false): void {
    const link = "#" + this.link();
    if (link === location.hash) return;
    if (push) history.pushState(null, "", link);
    else history.replaceState(null, "", link);
  }

  link(): string {
    const c = this.active, q = new URLSearchParams();
    if (c && this.place.endpoint === c.endpoint) {
      for (const p of c.parameters()) {
        const v = c.values.get(key(p));
        if (v && !isSecret(p)) q.set(key(p), v);
      }
      if (c.server) q.set("server", c.server);
    }
    const text = q.toString();
    return encodeURIComponent(this.place.row || this.place.id) + (text ? "?" + text : "");
  }

  private show(p: Place, arrival: boolean): void {
    this.place = p;
    if (p.endpoint) this.attend(p.endpoint);
    const m = p.message;
    let content: (Node | null)[];
    if (p.send && p.endpoint && m) {
      content = this.compose.show(p.endpoint, m);
    } else if (m) content = this.received(p.endpoint, m);
    else if (p.endpoint) content = [endpointPage(p.endpoint)];
    else if (p.id === "close-codes" || p.id === "error-codes") content = [codesPage(this.model.data, p.id === "error-codes")];
    else if (p.id === "overview" && this.model.endpoints.length) content = [overview(this.model.data)];
    else content = [h("div.none.start", {}, h("h2.title", {}, "No endpoint yet"), h("p", {}, "Mount a router and it shows here:"), h("pre.code", { tabindex: "0" }, 'doc.Mount(mux, "/ws", router)'))];
    fill(this.middle, ...content);
    this.middle.scrollTop = 0;
    this.nav.mark();
    document.title = plain(`${m?.name ?? p.endpoint?.path ?? p.id} · ${this.model.data.title}`);
    if (p.row) {
      const row = [...this.middle.querySelectorAll<HTMLElement>("[data-id]")].find((r) => r.dataset["id"] === p.row);
      row?.classList.add("target");
      row?.scrollIntoView({ block: "center" });
    } else if (arrival && p.send && !narrow()) this.compose.focus();
  }

  /** Brings a connection of that endpoint before the reader. */
  private attend(e: Endpoint): void {
    if (!this.active || this.active.endpoint === e) return;
    const other = this.conns.find((c) => c.endpoint === e);
    if (other) this.active = other;
    else if (!this.active.busy) this.active.retarget(e, this.model);
    else this.active = this.connection(e);
    this.bar.draw();
    this.compose.update();
  }

  private received(e: Endpoint | null, m: Message): (Node | null)[] {
    const sample = this.model.sample(m);
    return [
      this.head(m, e ? "down" : null),
      m.frame || !sample ? null : h("figure.sample", {}, h("figcaption", {}, "Example"), h("pre.code", { tabindex: "0" }, h("code", {}, coloured(plain(write(sample, "  ")))))),
      schemaOf(m, this.types()),
      m.links?.length ? h("p.replies", {}, "In reply to ", ...m.links.flatMap((l, i) => [i ? ", " : "", h("a", { href: "#" + l.link }, l.text)])) : null,
      e ? h("p.note", {}, m.always ? "It may come at any time." : "") : null,
    ];
  }

  /** The types that have a place of their own, by it. */
  types(): Map<string, Message> {
    return new Map((this.model.data.types ?? []).map((t) => [t.id, t]));
  }

  head(m: Message, way: "up" | "down" | null): HTMLElement {
    const link = h("button.icon", { type: "button", title: "Copy a link to this", "aria-label": "Copy a link to this", onclick: () => {
      this.linked();
      void copy(location.href.replace(/#.*/, "") + "#" + this.link(), link);
    } }, icon("link"));
    return h("div.head", {},
      way ? h("p.eyebrow", {}, h("span", { class: "dir " + way, "aria-hidden": "true" }, way === "up" ? "↑" : "↓"), way === "up" ? "You send" : "You receive") : h("p.eyebrow", {}, "Type"),
      h("h2.title", {}, m.name, m.type && m.type !== m.name ? h("span.type", {}, m.type) : null,
        m.deprecated ? h("span.badge.warn", {}, "deprecated") : null, m.error ? h("span.badge", {}, "error reply") : null, m.always ? h("span.badge.good", {}, "at any time") : null, link),
      m.summary ? h("p.summary", {}, m.summary) : null,
      m.description ? h("p.text", {}, m.description) : null,
      m.delivery ? h("p.note", {}, m.delivery) : null);
  }

  // ---- connections

  private connection(e: Endpoint): Connection {
    const c: Connection = new Connection(this.nextConn++, e, this.model, (o) => {
      if (o.do === "open") for (const s of c.secrets()) this.used.add(s);
      this.post(o);
    });
    c.onchange = () => {
      if (narrow() && c === this.active && (c.state.is === "refused" || c.state.is === "unreachable")) this.tab(2); // where it says why
      const log = this.tabBar.querySelector<HTMLElement>("[data-tab=Log]");
      if (log) log.dataset["state"] = this.active.state.is;
      this.bar.draw();
      this.compose.update();
    };
    this.conns.push(c);
    return c;
  }

  activate(c: Connection): void {
    this.active = c;
    if (this.place.endpoint !== c.endpoint) {
      const e = c.endpoint;
      this.show({ id: e.send?.[0]?.id ?? e.id, endpoint: e, message: e.send?.[0] ?? null, send: !!e.send?.length, row: "" }, false);
    }
    this.bar.draw();
    this.compose.update();
    this.linked();
  }

  add(): void {
    const from = this.active, c = this.connection(from.endpoint);
    for (const [k, v] of from.values) c.values.set(k, v);
    c.server = from.server;
    this.active = c;
    this.bar.draw();
    this.compose.update();
    this.log.refresh();
  }

  remove(c: Connection): void {
    c.close();
    this.conns.splice(this.conns.indexOf(c), 1);
    this.activate(this.conns.find((k) => k.endpoint === c.endpoint) ?? this.conns[0]!);
  }

  private hear(r: Report): void {
    switch (r.is) {
      case "rows":
        for (const n of r.counts) {
          const c = this.conns.find((k) => k.id === n.conn);
          if (c) c.counts = n;
        }
        this.bar.soon();
        this.log.add(r.rows, r.skipped);
        this.count(r.rows.filter((e) => e.dir === "in").length);
        break;
      case "text":
        this.asked.get(r.seq)?.({ text: r.text ?? "", total: r.text === null ? -1 : r.total });
        this.asked.delete(r.seq);
        break;
      case "exported": {
        const url = URL.createObjectURL(r.blob), a = h("a", { href: url, download: "messages.jsonl" });
        a.click();
        setTimeout(() => URL.revokeObjectURL(url), 10_000);
        break;
      }
      case "checked":
        this.compose.editor.checked(r.ticket, r.issues);
        break;
      case "unsent":
        this.say("Not sent: " + r.why);
        break;
      default:
        this.conns.find((c) => c.id === r.conn)?.hear(r, this.model.data);
    }
  }

  // ---- what the log asks

  several(): boolean {
    return this.conns.length > 1;
  }

  letter(conn: number): string {
    return String.fromCharCode(65 + (conn % 26));
  }

  /** The credentials that are given now, and those that were when a connection was opened: lines that repeat them stay. */
  private secrets(): string[] {
    return [...new Set([...this.used, ...this.conns.flatMap((c) => c.secrets())])].sort((a, b) => b.length - a.length);
  }

  mask(text: string): string {
    for (const s of this.secrets()) text = text.replaceAll(s, "••••");
    return text;
  }

  /** The text of a line, which has little room, without the name that stands before it. */
  brief(e: Entry): string {
    const discriminator = this.conns.find((k) => k.id === e.conn)?.endpoint.discriminator;
    const head = `{${JSON.stringify(discriminator)}:${JSON.stringify(e.name)}`;
    if (!discriminator || !e.text.startsWith(head)) return e.text;
    return "{" + e.text.slice(head.length).replace(/^,/, "");
  }

  text(e: Entry): Promise<{ text: string; total: number }> {
    if (!e.cut) return Promise.resolve({ text: e.text, total: e.text.length });
    return new Promise((done) => {
      this.asked.set(e.seq, (t) => done(t.total < 0 ? { text: e.text, total: e.size } : t));
      this.post({ do: "text", seq: e.seq });
    });
  }

  resend(e: Entry): void {
    void this.text(e).then(({ text }) => {
      const c = this.conns.find((k) => k.id === e.conn), ends = c ? [c.endpoint] : this.model.endpoints;
      const m = ends.flatMap((x) => x.send ?? []).find((k) => k.id === e.message || k.name === e.name);
      if (c && c !== this.active) this.activate(c);
      if (m && m.id !== this.place.id) this.select(m.id);
      if (!this.place.send) this.select(ends[0]?.send?.[0]?.id ?? "");
      if (!this.place.send) return this.say("This endpoint takes no messages.");
      this.tab(1);
      this.compose.put(text);
      this.enter();
    });
  }

  empty(): HTMLElement {
    const e = this.active?.endpoint;
    if (!e) return h("p", {}, "");
    const may = e.receive ?? [];
    const m = this.place.send ? this.place.message : null;
    return h("div", {},
      h("p.big", {}, m ? h("kbd", {}, command) : null, m ? h("kbd", {}, "↵") : null,
        m ? (this.active.state.is === "open" ? ` sends ${m.name}.` : ` connects and sends ${m.name}.`) : this.active.state.is === "open" ? "Connected, and nothing came yet." : "Connect, and what the server sends shows here."),
      may.length ? h("p", {}, "The server may send ", ...may.slice(0, 8).flatMap((k, i) => [i ? ", " : "", h("a", { href: "#" + k.id }, k.name)]), may.length > 8 ? ` and ${may.length - 8} more` : "", ".") : h("p", {}, "No message from the server is documented."));
  }

  clear(): void {
    this.post({ do: "clear" });
  }

  export(): void {
    this.post({ do: "export", hide: this.secrets() });
  }

  // ---- the document changes

  private async look(): Promise<void> {
    if (document.hidden || !this.stale.hidden) return;
    try {
      const r = await fetch(this.beside("console.json"), { method: "HEAD", cache: "no-cache", credentials: "same-origin" });
      const tag = r.headers.get("ETag") ?? "";
      if (!r.ok || bare(tag) === bare(this.etag) || !tag) return;
      fill(this.stale, h("span", {}, "This API changed."), h("button.small", { type: "button", onclick: () => void this.renew() }, "Show it as it is now"), h("small", {}, "Drafts and connections stay."));
      this.stale.hidden = false;
    } catch {
      // the server is away: the connection says so
    }
  }

  private async renew(): Promise<void> {
    const r = await fetch(this.beside("console.json"), { cache: "no-cache", credentials: "same-origin" });
    if (!r.ok) return;
    this.model = new Model(await r.text());
    this.etag = r.headers.get("ETag") ?? "";
    this.post({ do: "data", text: this.model.text });
    for (const c of this.conns) {
      const e = this.model.endpoints.find((k) => k.path === c.endpoint.path) ?? this.model.endpoints[0];
      if (e) c.update(this.model, e);
    }
    this.stale.hidden = true;
    this.nav.draw();
    const place = this.find(this.place.row || this.place.id) ?? this.first();
    if (place) this.show(place, false);
    this.bar.redraw();
    this.log.refresh();
  }
}

const bare = (etag: string): string => etag.replace(/^W\//, "").replace(/-gzip"$/, '"');

function cut(s: string, at: string): [string, string] {
  const i = s.indexOf(at);
  return i < 0 ? [s, ""] : [s.slice(0, i), s.slice(i + 1)];
}

/** The one address that may become a script: the worker, beside this script. */
function trusted(url: string): unknown {
  interface Factory { createPolicy(name: string, rules: { createScriptURL(u: string): string }): { createScriptURL(u: string): unknown } }
  const factory = (window as unknown as { trustedTypes?: Factory }).trustedTypes;
  if (new URL(url).origin !== location.origin) throw new Error("the worker is elsewhere");
  return factory ? factory.createPolicy("wsrouter", { createScriptURL: (u) => u }).createScriptURL(url) : url;
}
