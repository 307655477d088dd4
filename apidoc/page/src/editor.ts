// The JSON editor: a textarea over its own coloured text, faults underlined, members and values completed.
import type { Endpoint, Message, Model } from "./data.js";
import { fill, frame, h } from "./dom.js";
import { explain } from "./classify.js";
import { type Issue, type Json, member, Scanner } from "./scan.js";
import { type Node, planOf, text as textOf } from "./schema.js";
import { validate } from "./validate.js";

const maxColoured = 60_000, maxHere = 200_000; // characters: beyond them plain, or checked by the worker

export interface Check { issues: Issue[]; pending: boolean }

export class Editor {
  readonly area = h("textarea", { spellcheck: "false", autocapitalize: "off", autocomplete: "off", "aria-label": "Message to send, JSON", "aria-describedby": "faults", rows: 8 });
  private readonly back = h("pre", { "aria-hidden": "true" });
  private readonly list = h("ul.completions", { role: "listbox", id: "completions", "aria-label": "Completions", hidden: true });
  readonly element = h("div.editor", {}, this.back, this.area, this.list);
  private endpoint: Endpoint | null = null;
  private message: Message | null = null;
  private choices: Choice[] = [];
  private chosen = 0;
  private ticket = 0;
  check: Check = { issues: [], pending: false };
  onchange: () => void = () => {};
  ask: (ticket: number, endpoint: string, message: string, text: string) => void = () => {};

  constructor(private model: Model) {
    this.area.addEventListener("input", () => {
      this.update();
      this.suggest(false);
    });
    this.area.addEventListener("scroll", () => this.align());
    this.area.addEventListener("keydown", (e) => this.key(e));
    this.area.addEventListener("blur", () => this.close());
    this.area.addEventListener("click", () => this.close());
    new ResizeObserver(() => this.align()).observe(this.area);
  }

  show(model: Model, e: Endpoint, m: Message, value: string): void {
    this.model = model;
    this.endpoint = e;
    this.message = m;
    this.value = value;
  }

  get value(): string {
    return this.area.value;
  }

  set value(v: string) {
    this.area.value = v;
    this.update();
  }

  /** Replaces the text so that undo brings it back. */
  replace(v: string): void {
    this.area.focus();
    this.area.select();
    if (!document.execCommand("insertText", false, v)) this.area.value = v;
    this.update();
  }

  private readonly paint = frame(() => this.draw());

  update(): void {
    const { endpoint: e, message: m } = this;
    if (!e || !m) return;
    const text = this.value;
    if (m.frame) this.check = { issues: [], pending: false };
    else if (text.length > maxHere) {
      this.check = { issues: [], pending: true };
      const ticket = ++this.ticket;
      setTimeout(() => ticket === this.ticket && this.ask(ticket, e.id, m.id, text), 200);
    } else {
      this.ticket++;
      this.check = { issues: validate(text, this.model.plan(e, m)), pending: false };
    }
    this.paint();
    this.onchange();
  }

  checked(ticket: number, issues: Issue[]): void {
    if (ticket !== this.ticket) return;
    this.check = { issues, pending: false };
    this.paint();
    this.onchange();
  }

  private draw(): void {
    const text = this.value;
    this.area.setAttribute("aria-invalid", String(this.check.issues.length > 0));
    this.element.classList.toggle("plain", text.length > maxColoured);
    if (text.length > maxColoured) fill(this.back);
    else fill(this.back, coloured(text, this.check.issues), "\n");
    this.fit();
    this.align();
  }

  private fit(): void {
    const lines = this.value.length > maxColoured ? 40 : this.value.split("\n").length;
    this.area.rows = Math.min(Math.max(lines + 1, 6), 22);
  }

  private align(): void {
    this.back.style.width = this.area.clientWidth + "px";
    this.back.scrollTop = this.area.scrollTop;
  }

  /** Puts the caret where an issue is. */
  go(i: Issue): void {
    this.area.focus();
    this.area.setSelectionRange(i.at, Math.max(i.end, i.at));
    const line = this.value.slice(0, i.at).split("\n").length;
    this.area.scrollTop = Math.max(0, (line - 4) * parseFloat(getComputedStyle(this.area).lineHeight));
  }

  // ---- completion

  private key(e: KeyboardEvent): void {
    if (e.ctrlKey && e.key === " ") {
      e.preventDefault();
      this.suggest(true);
      return;
    }
    if (!this.list.hidden) {
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        this.choose((this.chosen + (e.key === "ArrowDown" ? 1 : this.choices.length - 1)) % this.choices.length);
        return;
      }
      if ((e.key === "Enter" && !e.ctrlKey && !e.metaKey) || e.key === "Tab") {
        e.preventDefault();
        this.take(this.chosen);
        return;
      }
      if (e.key === "Escape") {
        e.preventDefault();
        e.stopPropagation();
        this.close();
        return;
      }
      if (e.key === "ArrowLeft" || e.key === "ArrowRight" || e.key === "Home" || e.key === "End") this.close();
    }
    if (e.key === "Enter" && !e.ctrlKey && !e.metaKey && !e.altKey) {
      const before = this.value.slice(0, this.area.selectionStart), line = before.slice(before.lastIndexOf("\n") + 1);
      const indent = /^[ \t]*/.exec(line)![0] + (/[{[]\s*$/.test(line) ? "  " : "");
      if (!indent) return;
      e.preventDefault();
      document.execCommand("insertText", false, "\n" + indent);
    }
  }

  private suggest(asked: boolean): void {
    const { endpoint: e, message: m } = this;
    if (!e || !m || m.frame || this.value.length > maxColoured || this.area.selectionStart !== this.area.selectionEnd) return this.close();
    const plan = this.model.plan(e, m);
    const place = plan && placeOf(this.value, this.area.selectionStart, plan);
    const typed = place?.typed.toLowerCase() ?? "";
    this.choices = place && (asked || place.typed || place.quoted) ? place.choices.filter((c) => c.label.toLowerCase().startsWith(typed) && c.label !== place.typed) : [];
    this.choices = this.choices.slice(0, 12).map((c) => ({ ...c, from: place!.from }));
    if (!this.choices.length) return this.close();
    fill(this.list, ...this.choices.map((c, i) =>
      h("li", { role: "option", id: `completion-${i}`, onmousedown: (ev: MouseEvent) => (ev.preventDefault(), this.take(i)) }, h("b", {}, c.label), h("span", {}, c.detail))));
    this.list.hidden = false;
    this.choose(0);
    const at = this.caret(place!.from);
    this.list.style.left = Math.min(at.x, this.element.clientWidth - this.list.offsetWidth - 4) + "px";
    this.list.style.top = at.y + "px";
  }

  private choose(i: number): void {
    this.chosen = i;
    [...this.list.children].forEach((c, k) => c.setAttribute("aria-selected", String(k === i)));
    this.list.children[i]?.scrollIntoView({ block: "nearest" });
    this.area.setAttribute("aria-activedescendant", `completion-${i}`);
  }

  private take(i: number): void {
    const c = this.choices[i];
    if (!c) return;
    let to = this.area.selectionStart;
    if (/^["\w.+-]*"/.test(this.value.slice(to)) && c.insert.includes('"')) to += /^["\w.+-]*?"/.exec(this.value.slice(to))![0].length;
    let insert = c.insert;
    if (c.member && /^\s*:/.test(this.value.slice(to))) insert = insert.slice(0, insert.lastIndexOf('"') + 1);
    this.area.setSelectionRange(c.from, to);
    document.execCommand("insertText", false, insert);
    this.close();
    this.update();
  }

  close(): void {
    this.list.hidden = true;
    this.area.removeAttribute("aria-activedescendant");
  }

  private caret(offset: number): { x: number; y: number } {
    const range = document.createRange();
    let left = offset;
    const walk = document.createTreeWalker(this.back, NodeFilter.SHOW_TEXT);
    for (let t = walk.nextNode(); t; t = walk.nextNode()) {
      const n = t.textContent!.length;
      if (left <= n) {
        range.setStart(t, left);
        break;
      }
      left -= n;
    }
    const r = range.getBoundingClientRect(), box = this.element.getBoundingClientRect();
    return r.height ? { x: r.left - box.left, y: r.bottom - box.top + 2 } : { x: 12, y: 34 };
  }
}

/** The issue as a button that leads to it. */
export function faults(e: Editor): HTMLElement[] {
  return e.check.issues.slice(0, 8).map((i) =>
    h("li", {}, h("button.fault", { type: "button", onclick: () => e.go(i) }, h("code", {}, i.path || "/"), " " + i.message,
      i.params?.["did_you_mean"] ? h("em", {}, ` did you mean ${String(i.params["did_you_mean"])}?`) : null)));
}

// ---- colours

export function coloured(text: string, issues: Issue[] = []): DocumentFragment {
  const out = document.createDocumentFragment();
  const marks = issues.filter((i) => i.end > i.at && i.end - i.at < 2000).sort((a, b) => a.at - b.at);
  const token = /"(?:[^"\\]|\\.)*"?(\s*:)?|-?\d[\d.eE+-]*|true|false|null|[^"\d-]+|-/gs;
  let at = 0, k = 0;
  const put = (s: string, cls: string): void => {
    while (s) {
      while (k < marks.length && marks[k]!.end <= at) k++;
      const m = marks[k];
      let n = s.length, bad = false;
      if (m) {
        if (at < m.at) n = Math.min(n, m.at - at);
        else {
          n = Math.min(n, m.end - at);
          bad = true;
        }
      }
      const part = s.slice(0, n);
      if (cls || bad) out.append(h("i", { class: (cls + (bad ? " bad" : "")).trim() }, part));
      else out.append(part);
      s = s.slice(n);
      at += n;
    }
  };
  for (const m of text.matchAll(token)) {
    const t = m[0];
    if (t[0] === '"') {
      const name = m[1] !== undefined;
      put(name ? t.slice(0, t.length - m[1]!.length) : t, name ? "k" : "s");
      if (name) put(m[1]!, "");
    } else put(t, /^(-?\d|true$|false$|null$)/.test(t) ? "n" : "");
  }
  return out;
}

// ---- where the caret is, and what may stand there

interface Choice { label: string; insert: string; detail: string; from: number; member?: boolean }
interface Place { choices: Choice[]; typed: string; quoted: boolean; from: number }

/** Walks the text up to the caret with the plan beside it. */
export function placeOf(text: string, caret: number, plan: Node): Place | null {
  interface Level { node: Node | null; name: string; state: "name" | "colon" | "value" | "after"; seen: Set<string>; array: boolean }
  const stack: Level[] = [];
  const top = (): Level | undefined => stack.at(-1);
  const inside = (): Node | null => {
    const l = top();
    if (!l) return plan;
    if (!l.node) return null;
    const n = planOf(l.node);
    if (l.array) return n.kind === "array" ? n.elem : null;
    const i = n.byName.get(l.name);
    return i === undefined ? n.elem : n.fields[i]!.node;
  };
  const s = new Scanner(text.slice(0, caret));
  for (;;) {
    const c = s.peek();
    if (s.pos >= s.text.length) break;
    const l = top();
    if (c === 34) {
      const at = s.pos, v = s.str();
      if (v === null) {
        const typed = s.text.slice(at + 1);
        if (l && !l.array && l.state === "name") return { choices: members(l.node, l.seen), typed, quoted: true, from: at };
        return { choices: values(inside(), text), typed, quoted: true, from: at };
      }
      if (l && !l.array && l.state === "name") {
        l.name = v;
        l.seen.add(v);
        l.state = "colon";
      } else if (l) l.state = "after";
      continue;
    }
    if (c === 123 || c === 91) {
      const n = inside(), array = c === 91;
      stack.push({ node: n, name: "", state: array ? "value" : "name", seen: new Set(array ? [] : namesIn(text, s.pos)), array });
      s.pos++;
      continue;
    }
    if (c === 125 || c === 93) {
      stack.pop();
      if (top()) top()!.state = "after";
      s.pos++;
      continue;
    }
    if (c === 58) {
      if (l) l.state = "value";
      s.pos++;
      continue;
    }
    if (c === 44) {
      if (l) l.state = l.array ? "value" : "name";
      s.pos++;
      continue;
    }
    const from = s.pos, word = /^[^\s,:{}[\]"]+/.exec(s.text.slice(from))?.[0] ?? "x";
    s.pos += word.length;
    if (s.pos >= s.text.length) return l && !l.array && l.state === "name" ? { choices: members(l.node, l.seen), typed: word, quoted: false, from } : { choices: values(inside(), text), typed: word, quoted: false, from };
    if (l) l.state = "after";
  }
  const l = top();
  if (!l) return null;
  if (!l.array && l.state === "name") return { choices: members(l.node, l.seen), typed: "", quoted: false, from: caret };
  if (l.state === "value") return { choices: values(inside(), text), typed: "", quoted: false, from: caret };
  return null;
}

/** The names that the object at i has already, as far as it can be read. */
function namesIn(text: string, i: number): string[] {
  const names: string[] = [];
  const s = new Scanner(text);
  s.pos = i;
  if (!s.enter()) return names;
  for (;;) {
    const n = s.member();
    if (n === null || !s.skip() || s.next(125) !== true) return names;
    names.push(n);
  }
}

function members(node: Node | null, seen: Set<string>): Choice[] {
  if (!node) return [];
  return planOf(node).fields.filter((f) => !seen.has(f.name)).map((f) => ({
    label: f.name, insert: `${JSON.stringify(f.name)}: ${stub(f.node)}`, member: true, from: 0,
    detail: [kindName(f.node), f.required ? "required" : "", f.schema instanceof Map ? textOf(f.schema, "description") : ""].filter(Boolean).join(" · "),
  }));
}

function values(node: Node | null, text: string): Choice[] {
  if (!node) return [];
  const n = planOf(node), list: Choice[] = [];
  for (const v of n.enum ?? []) list.push({ label: v.text ?? v.raw, insert: v.raw, detail: n.isConst ? "always" : "", from: 0 });
  if (n.kind === "bool" && !n.enum) for (const v of ["true", "false"]) list.push({ label: v, insert: v, detail: "", from: 0 });
  if (n.nullable) list.push({ label: "null", insert: "null", detail: "", from: 0 });
  const schema = n.schema;
  if (schema instanceof Map && !list.length) {
    for (const [k, what] of [["examples", "example"], ["default", "default"]] as const) {
      const v = schema.get(k);
      const e = Array.isArray(v) ? v[0] : v;
      if (typeof e === "string") list.push({ label: e, insert: JSON.stringify(e), detail: what, from: 0 });
    }
  }
  void text;
  return list;
}

function stub(node: Node): string {
  const n = planOf(node);
  if (n.enum?.length) return n.enum[0]!.raw;
  switch (n.kind) {
    case "object": return "{}";
    case "array": return "[]";
    case "int": case "float": return n.quoted ? '"0"' : n.min && !n.min.dec.neg && n.min.dec.digits ? n.min.raw : "0";
    case "bool": return "true";
    case "string": case "bytes": case "name": return '""';
    default: return "null";
  }
}

export function kindName(node: Node): string {
  const n = planOf(node);
  return { any: "any", object: "object", array: "array", string: n.format || "string", bytes: "base64", int: "integer", float: "number", bool: "boolean", null: "null", name: "name", id: "id", never: "nothing", some: "any" }[n.kind];
}

/** The text of a message as it is sent: as written, without the layout where it is valid JSON. */
export function compact(text: string): string {
  let out = "", at = 0, quoted = false; // no pattern for a whole string: one of some megabytes would be too much for it
  for (const m of text.matchAll(/"|\\.|\s+/gs)) {
    if (m[0] === '"') quoted = !quoted;
    else if (!quoted && m[0][0] !== "\\") {
      out += text.slice(at, m.index);
      at = m.index + m[0].length;
    }
  }
  return out + text.slice(at);
}

export type { Json };
export { explain, member };
