// The log: every message on one line, only those in view in the document, whatever their number.
import { explain } from "./classify.js";
import type { Message, Model } from "./data.js";
import { detail } from "./detail.js";
import { bytesText, copy, fill, frame, h, icon } from "./dom.js";
import { type Entry } from "./wire.js";

const height = 30, most = 20_000, mostText = 24 << 20; // characters

export interface LogHost {
  model: Model;
  several(): boolean;
  letter(conn: number): string;
  mask(text: string): string;
  brief(e: Entry): string;
  text(e: Entry): Promise<{ text: string; total: number }>;
  resend(e: Entry): void;
  empty(): HTMLElement;
  clear(): void;
  export(): void;
  select(id: string): void;
  types(): Map<string, Message>;
}

export class Log {
  private all: Entry[] = [];
  private shown: Entry[] = [];
  private waiting: Entry[] = [];
  private readonly open = new Map<number, number>(); // heights of expanded rows by seq
  private readonly rows = new Map<number, HTMLElement>();
  private stick = true;
  private unseen = 0;
  private focus = -1; // seq
  paused = false;
  private test: (e: Entry) => boolean = () => true;
  readonly filter = h("input", { type: "search", placeholder: "Filter, as -type:heartbeat", "aria-label": "Filter the log", autocomplete: "off", spellcheck: "false", oninput: () => {
    clearTimeout(this.typing);
    this.typing = setTimeout(() => this.refilter(), this.all.length > 2000 ? 150 : 0) as unknown as number;
  } });
  private typing = 0;
  private readonly pauseButton = h("button.icon", { type: "button", "aria-pressed": "false", "aria-label": "Pause", title: "Pause (p)", onclick: () => this.pause() }, icon("pause"));
  private readonly space = h("div.space");
  private readonly list = h("div.rows", { role: "list", "aria-label": "Messages" });
  private readonly none = h("div.none");
  private readonly view = h("div.view", { tabindex: "0", role: "group", "aria-label": "Log" }, this.none, this.space, this.list);
  private readonly fresh = h("button.fresh", { type: "button", hidden: true, onclick: () => this.bottom() });
  private readonly foot = h("div.foot");
  private readonly spoken = h("div.quiet", { "aria-live": "polite" });
  readonly element = h("section.log", { "aria-label": "Log" },
    h("div.tools", {}, h("label.find", {}, icon("search"), this.filter),
      this.pauseButton,
      h("button.icon", { type: "button", "aria-label": "Save the log", title: "Save the log, one message a line", onclick: () => this.host.export() }, icon("save")),
      h("button.icon", { type: "button", "aria-label": "Empty the log", title: "Empty the log", onclick: () => this.clear() }, icon("clear"))),
    this.view, this.fresh, this.foot, this.spoken);
  private skipped = 0;
  private received = 0;
  private sent = 0;
  private said = "";

  private readonly paint = frame(() => this.draw());

  constructor(private readonly host: LogHost) {
    this.view.addEventListener("scroll", () => {
      this.stick = this.view.scrollTop + this.view.clientHeight >= this.view.scrollHeight - height;
      if (this.stick) this.unseen = 0;
      this.paint();
    });
    this.view.addEventListener("keydown", (e) => this.key(e));
    new ResizeObserver(() => {
      if (this.stick) this.view.scrollTop = this.view.scrollHeight;
      this.paint();
    }).observe(this.view);
    setInterval(() => this.speak(), 2000);
  }

  add(entries: Entry[], skipped: number): void {
    this.skipped = skipped;
    for (const e of entries) {
      if (e.dir === "in") this.received++;
      else if (e.dir === "out") this.sent++;
      else if (e.name === "skipped") this.received += e.count;
    }
    if (this.paused) {
      this.waiting.push(...entries);
      if (this.waiting.length > most) this.waiting.splice(0, this.waiting.length - most);
    } else this.take(entries);
    this.paint();
  }

  private held = 0; // characters of all

  private take(entries: Entry[]): void {
    this.all.push(...entries);
    for (const e of entries) this.held += e.text.length;
    const fit = entries.filter(this.test);
    this.shown.push(...fit);
    if (!this.stick) this.unseen += fit.length;
    if (this.all.length > most + 1000 || this.held > mostText) {
      let out = Math.max(0, this.all.length - most);
      for (let i = 0; i < out; i++) this.held -= this.all[i]!.text.length;
      for (; this.held > mostText * 0.9; out++) this.held -= this.all[out]!.text.length;
      this.all.splice(0, out);
      const first = this.all[0]?.seq ?? Infinity;
      let gone = 0;
      while (gone < this.shown.length && this.shown[gone]!.seq < first) gone++;
      const moved = this.offset(gone);
      this.shown.splice(0, gone);
      for (const seq of this.open.keys()) if (seq < first) this.open.delete(seq);
      if (!this.stick) this.view.scrollTop -= moved;
    }
  }

  pause(): void {
    this.paused = !this.paused;
    this.pauseButton.setAttribute("aria-pressed", String(this.paused));
    this.pauseButton.setAttribute("aria-label", this.paused ? "Go on" : "Pause");
    fill(this.pauseButton, icon(this.paused ? "play" : "pause"));
    if (!this.paused) this.take(this.waiting.splice(0));
    this.paint();
  }

  clear(): void {
    this.all = [];
    this.shown = [];
    this.waiting = [];
    this.open.clear();
    this.received = this.sent = this.skipped = this.unseen = this.held = 0;
    this.stick = true;
    this.host.clear();
    this.paint();
  }

  setFilter(text: string): void {
    this.filter.value = text;
    this.refilter();
  }

  private refilter(): void {
    this.test = matcher(this.filter.value, (c) => this.host.letter(c));
    this.shown = this.all.filter(this.test);
    this.stick = true;
    this.paint();
  }

  refresh(): void {
    for (const r of this.rows.values()) r.remove();
    this.rows.clear();
    this.paint();
  }

  redrawEmpty(): void {
    if (!this.all.length) this.paint();
  }

  private bottom(): void {
    this.stick = true;
    this.unseen = 0;
    this.draw();
    this.view.focus();
  }

  // ---- geometry: rows are of one height but for the expanded

  private index(seq: number): number {
    let low = 0, high = this.shown.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (this.shown[mid]!.seq < seq) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  private expanded(): { i: number; more: number }[] {
    const list: { i: number; more: number }[] = [];
    for (const [seq, tall] of this.open) {
      const i = this.index(seq);
      if (this.shown[i]?.seq === seq) list.push({ i, more: tall - height });
    }
    return list.sort((a, b) => a.i - b.i);
  }

  private offset(i: number, list = this.expanded()): number {
    let y = i * height;
    for (const e of list) if (e.i < i) y += e.more;
    return y;
  }

  private draw(): void {
    const n = this.shown.length, list = this.expanded();
    const total = this.offset(n, list);
    this.space.style.height = Math.min(total, 10_000_000) + "px";
    if (this.stick) this.view.scrollTop = this.view.scrollHeight;
    const top = this.view.scrollTop, bottom = top + this.view.clientHeight;
    let first = Math.max(0, Math.floor(top / height) - 4);
    for (const e of list) if (e.i < first) first = Math.max(0, Math.min(first, Math.floor((top - e.more) / height) - 4));
    let y = this.offset(first, list), last = first;
    for (let to = y; last < n && to < bottom + height * 4; last++) to += this.open.get(this.shown[last]!.seq) ?? height;
    const wanted = new Set(this.shown.slice(first, last).map((e) => e.seq));
    for (const [seq, row] of this.rows) {
      if (wanted.has(seq)) continue;
      if (row.contains(document.activeElement)) this.view.focus();
      row.remove();
      this.rows.delete(seq);
    }
    let at = this.list.firstElementChild; // rows stand in the document in their order, for those who read them there
    for (let i = first; i < last; i++) {
      const e = this.shown[i]!;
      let row = this.rows.get(e.seq);
      if (!row) {
        row = this.row(e);
        this.rows.set(e.seq, row);
      }
      if (row === at) at = at.nextElementSibling;
      else this.list.insertBefore(row, at);
      row.style.transform = `translateY(${y}px)`;
      y += this.open.get(e.seq) ?? height;
    }
    this.none.hidden = this.all.length > 0;
    if (!this.all.length) fill(this.none, this.host.empty());
    else if (!n) {
      this.none.hidden = false;
      fill(this.none, h("p", {}, `None of ${this.all.length.toLocaleString("en")} lines fits the filter.`), h("button.small", { type: "button", onclick: () => this.setFilter("") }, "Show all"));
    }
    this.fresh.hidden = this.stick || !this.unseen;
    fill(this.fresh, icon("down"), `${this.unseen.toLocaleString("en")} new`);
    this.footer();
  }

  private footer(): void {
    const words = [`↓ ${this.received.toLocaleString("en")}`, `↑ ${this.sent.toLocaleString("en")}`];
    if (this.shown.length !== this.all.length) words.push(`${this.shown.length.toLocaleString("en")} shown`);
    if (this.paused) words.push(`paused, ${this.waiting.length.toLocaleString("en")} waiting`);
    fill(this.foot, ...words.map((w) => h("span", {}, w)), this.skipped ? h("span.lost", { title: "They came faster than anybody reads: counted, not kept." }, `${this.skipped.toLocaleString("en")} not kept`) : null);
  }

  /** A screen reader hears counts, not every line. */
  private speak(): void {
    const text = `${this.received} received, ${this.sent} sent`;
    if (text === this.said) return;
    this.said = text;
    if (this.received + this.sent) this.spoken.textContent = text;
  }

  // ---- a row

  private row(e: Entry): HTMLElement {
    const isOpen = this.open.has(e.seq);
    const line = h("button.line", { type: "button", "aria-expanded": e.dir === "event" ? null : String(isOpen), onclick: () => this.toggle(e), onfocus: () => (this.focus = e.seq) },
      h("time", {}, clock(e.time)),
      this.host.several() ? h("b.letter", { "data-conn": e.conn % 6 }, this.host.letter(e.conn)) : null,
      h("span.way", { "aria-label": { in: "received", out: "sent", event: "" }[e.dir] }, { in: "↓", out: "↑", event: e.name === "open" ? "●" : "■" }[e.dir]),
      e.dir === "event" ? h("span.said", {}, this.host.mask(said(e))) : h("span.name", {}, this.host.mask(e.name)),
      badge(e, this.host.mask(e.why || explain(e.issues[0]))),
      e.dir === "event" ? null : h("span.peek", {}, this.host.mask(e.why && e.flag && e.flag !== "not JSON" ? e.why : this.host.brief(e)).slice(0, 300)),
      e.latency >= 0 ? h("span.ms", { title: e.exact ? "matched by its id" : "since the last message sent" }, `${e.exact ? "" : "≈"}${e.latency < 10 ? e.latency.toFixed(1) : e.latency.toFixed(0)} ms`) : null,
      e.size > 1024 ? h("span.size", {}, bytesText(e.size)) : null);
    const row = h("div.row", { role: "listitem", "data-dir": e.dir, "data-flag": e.flag, "data-conn": e.conn % 6, "data-seq": e.seq, "data-event": e.dir === "event" ? e.name : null }, line);
    if (isOpen) this.expand(row, e);
    return row;
  }

  private toggle(e: Entry): void {
    if (e.dir === "event") return;
    const row = this.rows.get(e.seq);
    if (!row) return;
    const was = this.open.delete(e.seq);
    row.querySelector(".line")!.setAttribute("aria-expanded", String(!was));
    if (was) row.querySelector(".detail")?.remove();
    else this.expand(row, e);
    this.paint();
  }

  private expand(row: HTMLElement, e: Entry): void {
    this.stick = this.stick && this.shown.at(-1) === e;
    const box = h("div.detail");
    row.append(box);
    this.open.set(e.seq, this.open.get(e.seq) ?? height);
    new ResizeObserver(() => {
      if (!row.isConnected || !this.open.has(e.seq)) return;
      const tall = Math.ceil(row.getBoundingClientRect().height);
      if (this.open.get(e.seq) !== tall) {
        this.open.set(e.seq, tall);
        this.paint();
      }
    }).observe(row);
    void this.host.text(e).then(({ text, total }) => detail(box, this.host, e, text, total));
  }

  private key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const target = e.target as HTMLElement;
    if (target.tagName === "INPUT" || target.tagName === "TEXTAREA") return;
    if (e.key === "ArrowDown" || e.key === "ArrowUp") {
      e.preventDefault();
      const at = this.focus < 0 ? this.shown.length : this.index(this.focus) + (e.key === "ArrowDown" ? 1 : -1);
      const i = Math.max(0, Math.min(at, this.shown.length - 1)), next = this.shown[i];
      if (!next) return;
      const y = this.offset(i);
      if (y < this.view.scrollTop) this.view.scrollTop = y;
      else if (y + height > this.view.scrollTop + this.view.clientHeight) this.view.scrollTop = y + height - this.view.clientHeight;
      this.stick = false;
      this.draw();
      this.rows.get(next.seq)?.querySelector<HTMLElement>(".line")?.focus();
      return;
    }
    const entry = this.shown[this.index(this.focus)];
    if (!entry || entry.seq !== this.focus || entry.dir === "event" || !(target.closest(".row"))) return;
    if (e.key === "e" || e.key === "c") {
      e.preventDefault();
      e.stopPropagation();
      if (e.key === "e") this.host.resend(entry);
      else void this.host.text(entry).then(({ text }) => copy(text));
    }
  }
}


function said(e: Entry): string {
  switch (e.name) {
    case "skipped": return `${e.count.toLocaleString("en")} came too fast: counted, not kept`;
    case "open": return e.why;
    case "closed": return "closed " + e.why;
    default: return `${e.name} ${e.why}`;
  }
}

function badge(e: Entry, why: string): HTMLElement | null {
  if (!e.flag) return e.binary ? h("span.tag", {}, "binary") : null;
  const words = { undocumented: "undocumented", differs: "differs from its schema", "not JSON": "not JSON", invalid: "sent invalid" };
  return h("span.tag.warn", { title: why }, words[e.flag]);
}

export function clock(t: number): string {
  const d = new Date(t), p = (n: number, l = 2): string => String(n).padStart(l, "0");
  return `${p(d.getHours())}:${p(d.getMinutes())}:${p(d.getSeconds())}.${p(d.getMilliseconds(), 3)}`;
}

/** Words that all must be there; -word must not; type:, dir:, conn:, is: look at one thing. */
export function matcher(filter: string, letter: (conn: number) => string): (e: Entry) => boolean {
  const tests = filter.trim().toLowerCase().split(/\s+/).filter((w) => w && w !== "-").map((w) => {
    const not = w[0] === "-";
    if (not) w = w.slice(1);
    const colon = w.indexOf(":"), k = w.slice(0, colon), v = w.slice(colon + 1);
    let test = (e: Entry): boolean => e.name.toLowerCase().includes(w) || e.text.toLowerCase().includes(w) || e.why.toLowerCase().includes(w);
    if (k === "type") test = (e) => e.name.toLowerCase() === v;
    else if (k === "dir") test = (e) => e.dir === ({ in: "in", received: "in", out: "out", sent: "out" } as Record<string, string>)[v];
    else if (k === "conn") test = (e) => letter(e.conn).toLowerCase() === v;
    else if (k === "is") test = (e) => e.flag !== "" && e.flag.toLowerCase().replace(" ", "-").startsWith(v);
    return (e: Entry): boolean => test(e) !== not;
  });
  return (e) => tests.every((t) => t(e));
}
