// The connection bar: which connections there are, where they lead, how they are, and what to do about it.
import { type Connection, isList, key } from "./connection.js";
import type { Data, Model, Row } from "./data.js";
import { bytesText, copy, fill, frame, h, icon, redraw } from "./dom.js";
import { type Json, Num } from "./scan.js";
import { isSecret } from "./store.js";

export interface BarHost {
  model: Model;
  conns: Connection[];
  active: Connection;
  activate(c: Connection): void;
  add(): void;
  remove(c: Connection): void;
  linked(): void;
  mask(text: string): string;
}

export class Bar {
  readonly tabs = h("div.conns");
  readonly status = h("div.status");
  readonly fields = h("div.params");
  readonly hint = h("div.hint", { role: "status" });
  readonly element = h("section.bar", { "aria-label": "Connection" }, this.tabs, this.status, this.fields, this.hint);
  private shown = "";
  private hinted = "";

  constructor(private readonly host: BarHost) {
    setInterval(() => this.tick(), 500);
  }

  draw(): void {
    const { conns, active: c } = this.host;
    if (!c) return;
    redraw(this.tabs,
      h("div", { role: "tablist", "aria-label": "Connections" }, ...conns.map((k) => h("button.conn", { type: "button", role: "tab", "aria-selected": String(k === c), "data-conn": k.id % 6, "data-state": k.state.is, title: `${k.endpoint.path}, ${k.state.is}`, onclick: () => this.host.activate(k) },
        h("b", {}, k.letter), h("span.dot"), conns.length > 1 && k.endpoint !== c.endpoint ? h("small", {}, k.endpoint.path) : null))),
      conns.length < 8 ? h("button.add", { type: "button", title: "Another connection to this endpoint", "aria-label": "Another connection", onclick: () => this.host.add() }, "+") : null,
      conns.length > 1 ? h("button.add.drop", { type: "button", title: `Close connection ${c.letter}`, "aria-label": `Remove connection ${c.letter}`, onclick: () => this.host.remove(c) }, icon("clear")) : null);
    this.tick();
    const shown = `${c.id} ${c.endpoint.id}`;
    if (shown !== this.shown) {
      this.shown = shown;
      this.form(c);
    }
    this.mark(c);
    this.hints(c);
  }

  redraw(): void {
    this.shown = "";
    this.draw();
  }

  readonly soon = frame(() => this.tick());

  private tick(): void {
    const { active: c, model } = this.host;
    if (!c) return;
    const s = c.state;
    const words: (Node | string)[] = [];
    const button = (label: string, f: () => void, primary = false): HTMLElement => h(primary ? "button.primary.small" : "button.small", { type: "button", onclick: f }, label);
    const connect = (label = "Connect"): HTMLElement => button(label, () => c.connect(model.data));
    const buttons: HTMLElement[] = [];
    switch (s.is) {
      case "idle":
        words.push("not connected");
        buttons.push(connect());
        break;
      case "connecting":
        words.push(`connecting, ${((Date.now() - s.since) / 1000).toFixed(0)} s`);
        buttons.push(button("Cancel", () => c.close()));
        break;
      case "open":
        words.push("connected ", h("time", {}, age(Date.now() - s.since)));
        if (s.protocol) words.push(h("code", {}, this.host.mask(s.protocol)));
        words.push(h("span.count", { title: "received" }, `↓ ${c.counts.in.toLocaleString("en")}`), h("span.count", { title: "sent" }, `↑ ${c.counts.out.toLocaleString("en")}`));
        if (c.counts.buffered > 0) words.push(h("span.count", { title: "waiting to be sent" }, `${bytesText(c.counts.buffered)} waiting`));
        if (c.moved(model.data)) buttons.push(button("Reconnect", () => c.reconnect(), true));
        buttons.push(button("Close", () => c.close()));
        break;
      case "retry":
        words.push(`lost (${s.code ? s.code : "no answer"}); next try in ${Math.max(0, Math.ceil((s.at - Date.now()) / 1000))} s`);
        buttons.push(button("Now", () => c.connect(model.data)), button("Stop", () => c.close()));
        break;
      case "refused":
        words.push("refused ", h("code", {}, String(s.status)));
        buttons.push(connect("Try again"));
        break;
      case "unreachable":
        words.push(s.upgradable ? "not upgraded" : "not reached");
        buttons.push(connect("Try again"));
        break;
      case "closed":
        words.push(s.mine ? "closed by you " : "closed by the server ", h("code", {}, String(s.code)));
        buttons.push(connect());
        break;
    }
    const address = this.shownAddress(c);
    const text = s.is + words.map((w) => (typeof w === "string" ? w : w.textContent)).join() + c.id + address + buttons.length;
    if (this.status.dataset["text"] === text) return;
    this.status.dataset["text"] = text;
    this.status.dataset["state"] = s.is;
    redraw(this.status, h("span.state", {}, h("span.dot"), ...words), h("span.address", { title: address }, address), h("span.buttons", {}, ...buttons));
  }

  private shownAddress(c: Connection): string {
    const u = c.address(this.host.model.data, true);
    return (c.server ? u.host : "") + readable(u.pathname) + u.search;
  }

  private form(c: Connection): void {
    const { data } = this.host.model;
    const rows: (HTMLElement | null)[] = [];
    const changed = (): void => {
      this.tick();
      this.host.linked();
    };
    const inputs = c.parameters().filter((p) => p.in !== "header" && p.in !== "cookie");
    for (const p of inputs) rows.push(field(p, this.host.model.parameter(p), c.values.get(key(p)) ?? "", (v) => {
      c.set(p, v);
      changed();
    }));
    const subs = c.endpoint.subprotocols ?? [];
    if (subs.length > 1) {
      const select = h("select", { onchange: () => (c.protocol = select.value) }, h("option", { value: "" }, "any of them"), ...subs.map((s) => h("option", { value: s, selected: c.protocol === s }, s)));
      rows.push(h("label.param", {}, h("span", {}, "subprotocol"), select));
    }
    if (data.servers.length) {
      const select = h("select", { onchange: () => {
        c.server = select.value;
        changed();
      } }, h("option", { value: "" }, "this page’s own"), ...data.servers.map((s) => h("option", { value: s, selected: c.server === s }, s)));
      rows.push(h("label.param", {}, h("span", {}, "server"), select));
    }
    const cookies = c.parameters().filter((q) => q.in === "cookie"), headers = c.parameters().filter((q) => q.in === "header");
    const names = (list: Row[]): (Node | string)[] => list.flatMap((p, i) => [i ? ", " : " ", h("code", {}, p.name)]);
    if (cookies.length) {
      const set = cookies.filter((p) => document.cookie.split(/;\s*/).some((k) => k.split("=")[0] === p.name));
      const all = set.length === cookies.length, it = cookies.length > 1 ? "them" : "it";
      rows.push(h("p.param.note", {}, cookies.length > 1 ? "Cookies" : "Cookie", ...names(cookies), all ? `: set, the browser sends ${it}.` : `: the browser sends ${it} if set, also where this page cannot see ${it}. `,
        all ? null : signIn(data), all ? null : ` to get ${it}.`));
    }
    if (headers.length) {
      const other = c.parameters().some((q) => q.in !== "header" && isSecret(q));
      rows.push(h("p.param.note", {}, headers.length > 1 ? "Headers" : "Header", ...names(headers), `: a browser cannot send ${headers.length > 1 ? "them" : "it"} with a WebSocket. `, other ? "Use one of the other sources." : headers.some(isSecret) ? "Offer query, cookie or subprotocol in the session." : ""));
    }
    fill(this.fields, ...rows);
    this.fields.hidden = !rows.length;
  }

  /** Marks the parameters that the server refused. */
  private mark(c: Connection): void {
    const issues = c.state.is === "refused" ? c.state.issues : [];
    for (const el of this.fields.querySelectorAll<HTMLElement>("[data-key]")) {
      const [where, ...name] = el.dataset["key"]!.split(".");
      const i = issues.find((x) => x.path === `/${where}/${name.join(".")}` || x.path.startsWith(`/${where}/${name.join(".")}/`));
      el.classList.toggle("wrong", !!i);
      el.querySelector("input,select")?.setAttribute("aria-invalid", String(!!i));
      const note = el.querySelector(".fault");
      if (note) fill(note, i ? this.host.mask(i.message) : "");
    }
  }

  private hints(c: Connection): void {
    const s = c.state, id = `${c.id} ${JSON.stringify(s)}`;
    if (id === this.hinted) return;
    this.hinted = id;
    const list: (HTMLElement | null)[] = [];
    const closes = this.host.model.data.closes;
    if (s.is === "refused") {
      list.push(h("p", {}, h("strong", {}, `${s.status} ${s.code.replaceAll("_", " ")}`), s.detail ? ": " + this.host.mask(s.detail) : ""));
      if (s.issues.length) list.push(h("ul", {}, ...s.issues.map((i) => h("li", {}, h("code", {}, i.path), " " + this.host.mask(i.message)))));
      list.push(...remedy(this.host.model.data, c, s.status, s.code));
      const field = s.status === 401 || s.status === 407 ? this.fields.querySelector<HTMLElement>("input[type=password]") : s.status === 400 ? this.fields.querySelector<HTMLElement>(".wrong input, .wrong select") : null;
      field?.focus();
    } else if (s.is === "unreachable") {
      if (s.detail) list.push(h("p", {}, h("strong", {}, "The browser did not try. "), s.detail));
      else list.push(h("p", {}, h("strong", {}, s.upgradable ? "The server is there, but the connection was not upgraded." : "The server was not reached.")));
      if (!s.detail) list.push(h("ul", {}, ...(s.upgradable
        ? ["A proxy before the server does not pass Upgrade on. In nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\";", "The proxy speaks HTTP/2 to the server, where WebSockets need an extension.", "A credential given as a subprotocol is missing or wrong; a plain request cannot carry one, so that the reason stays hidden."]
        : ["Is the server running, and is this its address?", location.protocol === "https:" ? "This page came by https: a browser opens only wss:// from here (mixed content)." : "If the server speaks https, open this page by https too.", "Something else may forbid it: a Content-Security-Policy that a proxy adds, an extension, a firewall."]
      ).map((t) => h("li", {}, t))));
    } else if ((s.is === "closed" || s.is === "retry") && s.code) {
      const code = String(s.code);
      const meaning = closes.find((k) => k.name === code);
      const limit = code === "1009" ? c.endpoint.bounds?.["maxMessage"] : code === "1013" ? c.endpoint.bounds?.["outbox"] : undefined;
      if (s.is === "closed" && s.mine) list.length = 0;
      else if (meaning) list.push(h("p", {}, h("a", { href: "#close-" + code }, h("strong", {}, code)), s.reason ? ` “${this.host.mask(s.reason)}”: ` : ": ", meaning.value, limit ? ` The limit here is ${bytesText(limit)}.` : ""));
      else if (s.is === "closed") list.push(h("p", {}, h("strong", {}, code), s.reason ? ` “${this.host.mask(s.reason)}”. ` : ". ", "A code of the application’s own."));
    }
    fill(this.hint, ...list);
    this.hint.hidden = !list.length;
  }
}

function readable(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

/** The way to a cookie: a link where the document names one. */
function signIn(data: Data): Node | string {
  return data.login ? h("a", { href: data.login, target: "_blank", rel: "noopener" }, "Sign in") : "Sign in to the application";
}

function remedy(data: Data, c: Connection, status: number, code: string): HTMLElement[] {
  const code3 = (text: string): HTMLElement => {
    const b = h("button.icon", { type: "button", "aria-label": "Copy", title: "Copy", onclick: () => void copy(text, b) }, icon("copy"));
    return h("div.snippet", {}, h("code", {}, text), b);
  };
  if (status === 401 || status === 407) {
    const secrets = c.parameters().filter(isSecret);
    if (secrets.some((p) => p.in === "query" || p.in === "path" || p.in === "subprotocol")) return [h("p", {}, "Give a credential above and connect again.")];
    if (secrets.length && secrets.every((p) => p.in === "header")) return [h("p", {}, "A browser cannot send the header that it wants. Offer query, cookie or subprotocol in the session.")];
    return [h("p", {}, signIn(data), " in this browser, then connect again.")];
  }
  if (status === 403 && code.includes("origin")) return [h("p", {}, "Allow this page’s origin where the router is made:"), code3(`&wsrouter.Options{Origins: []string{${JSON.stringify(location.host)}}}`)];
  if (status === 403) return [h("p", {}, "These credentials are not enough, or the application refuses this address.")];
  if (status === 400) return [h("p", {}, "Change what is marked above and connect again.")];
  if (status === 404) return [h("p", {}, "Nothing is there: a wrong value in the path, or a prefix that a proxy adds or takes away.")];
  if (status === 429) return [h("p", {}, "Too many connections from here. Wait, and try again.")];
  if (status >= 500) return [h("p", {}, "The server failed; its log says why.")];
  return [];
}

function field(p: Row, schema: Json, value: string, set: (v: string) => void): HTMLElement {
  const secret = isSecret(p);
  const choices = schema instanceof Map ? schema.get("enum") : undefined;
  const usual = schema instanceof Map ? schema.get("default") : undefined;
  const normal = typeof usual === "string" ? usual : usual instanceof Num ? usual.raw : "";
  let input: HTMLInputElement | HTMLSelectElement;
  if (Array.isArray(choices) && choices.every((x) => typeof x === "string")) {
    input = h("select", { onchange: () => set(input.value) }, p.required ? null : h("option", { value: "" }, normal ? `${normal} (default)` : "—"), ...choices.map((x) => h("option", { value: x as string, selected: value === x }, x as string)));
  } else {
    input = h("input", {
      type: secret ? "password" : "text", autocomplete: "off", autocapitalize: "off", spellcheck: "false", value,
      placeholder: isList(p) ? "a, b" : p.required ? "" : normal || "optional", oninput: () => set(input.value),
    });
  }
  return h("label.param", { "data-key": key(p), title: p.description ?? "" },
    h("span", {}, p.in === "path" ? null : h("small", {}, p.in + " "), p.name, secret ? icon("lock") : null), input, h("span.fault", { role: "alert" }));
}

export function age(ms: number): string {
  const s = Math.floor(ms / 1000);
  return s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}
