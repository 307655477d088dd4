// A message unfolded: its tree with what the schema says beside each field, and why it is not what was documented.
import type { Message, Model, Row } from "./data.js";
import { bytesText, copy, fill, h, icon } from "./dom.js";
import { type Json, member, Num, parse, write } from "./scan.js";
import { unfolded } from "./reference.js";
import type { Entry } from "./wire.js";

export interface DetailHost {
  model: Model;
  mask(text: string): string;
  resend(e: Entry): void;
  select(id: string): void;
  types(): Map<string, Message>;
}

export function detail(box: HTMLElement, host: DetailHost, e: Entry, text: string, total: number): void {
  const message = host.model.endpoints.flatMap((p) => [...(p.receive ?? []), ...(p.send ?? [])]).find((m) => m.id === e.message);
  const parts: (HTMLElement | null)[] = [];
  if (e.flag) {
    parts.push(h("div.why", {},
      h("p", {}, h("strong", {}, { undocumented: "Undocumented. ", differs: "Not what the schema says. ", "not JSON": "Not JSON. ", invalid: "Sent although it was invalid. " }[e.flag]), e.issues.length > 1 ? "" : host.mask(e.why)),
      e.issues.length > 1 ? h("ul", {}, ...e.issues.map((i) => h("li", {}, h("code", {}, host.mask(i.path || "/")), " " + host.mask(i.message)))) : null,
      e.add ? h("p", {}, "To document it, add ", h("code", {}, host.mask(e.add)), " to the handler or the router.") : null));
  }
  const copyButton = h("button.small", { type: "button", title: "c", onclick: () => void copy(text, copyButton) }, icon("copy"), "Copy");
  parts.push(h("div.actions", {},
    message ? h("a.small", { href: "#" + message.id, onclick: (ev: Event) => (ev.preventDefault(), host.select(message.id)) }, message.name) : null,
    h("button.small", { type: "button", title: "e", onclick: () => host.resend(e) }, icon("edit"), e.dir === "in" ? "Edit and send" : "Edit and resend"), copyButton, h("span.size", {}, bytesText(e.size))));
  const code = message?.error && member(text, "code"), known = code && host.model.data.errors.find((x) => JSON.stringify(x.name) === code);
  if (known) parts.push(h("p.meaning", {}, h("a", { href: "#error-" + known.name }, known.name), ": " + known.value));
  const shown = host.mask(text);
  const tree = total <= 300_000 && !(e.binary && e.flag === "not JSON") ? parse(shown) : undefined;
  if (tree !== undefined && typeof tree === "object" && tree !== null && !(tree instanceof Num)) parts.push(h("div.tree", {}, branch(tree, "", describer(unfolded(message?.rows ?? [], host.types())), 0)));
  else parts.push(h("pre.raw", { tabindex: "0" }, shown.slice(0, 20_000), total > 20_000 ? h("em", {}, `\n… ${bytesText(total - 20_000)} more: save the log to read them`) : null));
  fill(box, ...parts);
}

/** What the schema says about a field, by its path without indexes. */
function describer(rows: Row[]): (path: string) => Row | undefined {
  const by = new Map<string, Row>();
  const path: string[] = [];
  for (const r of rows) {
    path.length = r.depth ?? 0;
    path.push(r.name);
    by.set(path.join("/"), r);
  }
  return (p) => by.get(p);
}

const first = 50;

function branch(v: Json, path: string, about: (path: string) => Row | undefined, depth: number): HTMLElement {
  const list = h("ul", {});
  const members: [string, Json, boolean][] = Array.isArray(v) ? v.map((e, i) => [String(i), e, true]) : v instanceof Map ? [...v].map(([k, e]) => [k, e, false]) : [];
  const more = (from: number): void => {
    for (const [name, value, index] of members.slice(from, from + first)) {
      const at = index ? path : path ? `${path}/${name}` : name;
      list.append(leaf(name, value, index, at, about, depth));
    }
    if (members.length > from + first) {
      const b = h("button.small", { type: "button", onclick: () => {
        b.parentElement!.remove();
        more(from + first);
      } }, `${members.length - from - first} more`);
      list.append(h("li", {}, b));
    }
  };
  more(0);
  return list;
}

function leaf(name: string, v: Json, index: boolean, path: string, about: (path: string) => Row | undefined, depth: number): HTMLElement {
  const row = index ? undefined : about(path);
  const key = h(index ? "span.index" : "span.k", {}, name);
  const note = row?.description ? h("span.about", {}, row.description) : null;
  if (typeof v === "object" && v !== null && !(v instanceof Num)) {
    const size = Array.isArray(v) ? v.length : v.size;
    const summary = h("span.size", {}, Array.isArray(v) ? `${size} ${size === 1 ? "item" : "items"}` : `{${size}}`);
    if (!size) return h("li", {}, key, h("span", {}, Array.isArray(v) ? "[]" : "{}"), note);
    const box = h("details", depth < 2 && size <= 20 ? { open: true } : {}, h("summary", {}, key, summary, note));
    const grow = (): void => {
      if (box.open && box.children.length === 1) box.append(branch(v, path, about, depth + 1));
    };
    box.addEventListener("toggle", grow);
    grow();
    return h("li", {}, box);
  }
  const big = v instanceof Num && /^-?\d+$/.test(v.raw) && !Number.isSafeInteger(Number(v.raw));
  const text = typeof v === "string" ? JSON.stringify(v) : write(v);
  return h("li", {}, key, h(typeof v === "string" ? "span.s" : "span.n", {}, text.length > 2000 ? text.slice(0, 2000) + "…" : text),
    big ? h("span.warning", { title: "beyond 2^53" }, `⚠ JavaScript reads ${String(Number((v as Num).raw))}`) : null, note);
}
