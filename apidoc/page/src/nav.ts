// The left region: endpoints, their messages, and the search.
import type { App } from "./app.js";
import type { Endpoint, Message } from "./data.js";
import { h, icon, redraw } from "./dom.js";
import { nearest } from "./validate.js";

export class Nav {
  readonly list = h("div.list");
  readonly element = h("nav.side", { "aria-label": "Messages" }, this.list);
  readonly input = h("input", { type: "search", placeholder: "Search messages and fields", "aria-label": "Search messages and fields", autocomplete: "off", spellcheck: "false", oninput: () => this.draw(), onkeydown: (e: KeyboardEvent) => this.key(e) });
  readonly find = h("label.find", {}, icon("search"), this.input, h("kbd", {}, "/"));
  private folded = new Set<string>();

  constructor(private readonly app: App) {
    this.draw();
  }

  draw(): void {
    const { data } = this.app.model, ends = this.app.model.endpoints;
    const words = this.input.value.trim().toLowerCase();
    if (words) {
      const hits = this.search(words);
      redraw(this.list, ...(hits.length ? [h("p.group", {}, `${hits.length} found`), h("ul", {}, ...hits.map((x) => this.item(x.m, x.way, x.where)))] : this.nothing(words)));
    } else {
      redraw(this.list,
        ends.length ? null : h("p.group", {}, "No endpoint yet"),
        ...ends.flatMap((e) => this.endpoint(e, ends.length > 1)),
        h("p.group", {}, "Reference"),
        h("ul", {}, this.link("close-codes", "close codes"), this.link("error-codes", "error codes"), ...(data.types ?? []).map((t) => this.link(t.id, t.name))));
    }
    this.mark();
  }

  private endpoint(e: Endpoint, many: boolean): (HTMLElement | null)[] {
    const current = this.app.place?.endpoint ?? this.app.model.endpoints[0];
    const open = !many || (e === current ? !this.folded.has(e.id) : this.folded.has("+" + e.id));
    const head = h("a.path", { href: "#" + encodeURIComponent(e.id), "data-id": e.id, class: "path" + (e.deprecated ? " old" : ""), onclick: (ev: Event) => {
      ev.preventDefault();
      this.app.select(e.id);
    } }, e.path);
    const fold = many ? h("button.fold", { type: "button", "aria-expanded": String(open), "aria-label": `Messages of ${e.path}`, onclick: () => {
      const k = e === current ? e.id : "+" + e.id;
      if (!this.folded.delete(k)) this.folded.add(k);
      this.draw();
    } }, icon("more")) : null;
    return [
      h("div.endpoint", {}, fold, head),
      open && e.send?.length ? h("p.group", {}, "You send") : null,
      open && e.send?.length ? h("ul", {}, ...e.send.map((m) => this.item(m, "up"))) : null,
      open && e.receive?.length ? h("p.group", {}, "You receive") : null,
      open && e.receive?.length ? h("ul", {}, ...e.receive.map((m) => this.item(m, "down"))) : null,
    ];
  }

  private item(m: Message, way: "up" | "down" | "", where = ""): HTMLElement {
    return h("li", {}, h("a", { href: "#" + encodeURIComponent(m.id), "data-id": m.id, class: m.deprecated ? "old" : null, onclick: (e: Event) => {
      e.preventDefault();
      this.app.select(m.id);
    } }, way ? h("span", { class: "way " + way, "aria-hidden": "true" }, way === "up" ? "↑" : "↓") : null, h("span", {}, m.name), where ? h("small", {}, where) : null));
  }

  private link(id: string, text: string): HTMLElement {
    return h("li", {}, h("a", { href: "#" + encodeURIComponent(id), "data-id": id, onclick: (e: Event) => {
      e.preventDefault();
      this.app.select(id);
    } }, text));
  }

  private search(words: string): { m: Message; way: "up" | "down" | ""; where: string }[] {
    const hits: { m: Message; way: "up" | "down" | ""; where: string; rank: number }[] = [];
    const many = this.app.model.endpoints.length > 1;
    const look = (m: Message, way: "up" | "down" | "", e?: Endpoint): void => {
      const has = (s: string | undefined): boolean => !!s && s.toLowerCase().includes(words);
      const row = m.rows?.find((r) => has(r.name)) ?? m.rows?.find((r) => has(r.description));
      const rank = has(m.name) ? 0 : has(m.type) || has(m.goType) || has(m.handler) ? 1 : row && has(row.name) ? 2 : has(m.summary) || has(m.description) || row ? 3 : -1;
      if (rank >= 0) hits.push({ m, way, rank, where: rank >= 2 && row ? row.name : many && e ? e.path : "" });
    };
    for (const e of this.app.model.endpoints) {
      for (const m of e.send ?? []) look(m, "up", e);
      for (const m of e.receive ?? []) look(m, "down", e);
    }
    for (const t of this.app.model.data.types ?? []) look(t, "");
    return hits.sort((a, b) => a.rank - b.rank).slice(0, 200);
  }

  private nothing(words: string): HTMLElement[] {
    const all = this.app.model.endpoints.flatMap((e) => [...(e.send ?? []), ...(e.receive ?? [])]);
    const near = nearest(words, all.map((m) => m.name)) || all.map((m) => m.name).find((n) => n.toLowerCase().startsWith(words[0]!));
    const m = all.find((k) => k.name === near);
    return [h("p.group", {}, "Nothing found"), h("p.hint", {}, m ? "The nearest name:" : "No message and no field has this in its name or text."), ...(m ? [h("ul", {}, this.item(m, ""))] : [])];
  }

  private key(e: KeyboardEvent): void {
    const links = [...this.list.querySelectorAll<HTMLElement>("a[data-id]")];
    if (e.key === "Enter") {
      e.preventDefault();
      if (!links[0]) return;
      this.app.select(links[0].dataset["id"]!);
      this.app.enter();
    } else if (e.key === "Escape") {
      e.stopPropagation();
      this.input.value = "";
      this.draw();
      this.input.blur();
    } else if (e.key === "ArrowDown") {
      e.preventDefault();
      links[0]?.focus();
    }
  }

  /** The next message for j, the one before for k. */
  step(by: number): void {
    const ids = [...this.list.querySelectorAll<HTMLElement>("li a[data-id]")].map((a) => a.dataset["id"]!);
    const at = ids.indexOf(this.app.place.id), id = ids[Math.max(0, Math.min(ids.length - 1, at + by))];
    if (id) this.app.select(id);
  }

  private marked = "";

  mark(): void {
    const place = this.app.place;
    const e = place?.endpoint?.id ?? "";
    if (e && e !== this.marked && !this.input.value) {
      this.marked = e;
      return this.draw();
    }
    for (const a of this.list.querySelectorAll<HTMLElement>("[data-id]")) {
      const here = a.dataset["id"] === place?.id;
      if (here) a.setAttribute("aria-current", "true");
      else a.removeAttribute("aria-current");
      if (here) a.scrollIntoView({ block: "nearest" });
    }
  }
}
