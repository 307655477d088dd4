// The middle region for a message that is sent: editor or form, its verdict, and the button that sends.
import type { App } from "./app.js";
import type { Endpoint, Message } from "./data.js";
import { bytesText, command, copy, fill, h, icon, plain, redraw } from "./dom.js";
import { compact, Editor, faults } from "./editor.js";
import { flatFields, Form } from "./form.js";
import { parse, write } from "./scan.js";
import { load, save } from "./store.js";
import { schemaOf } from "./reference.js";
import { plural } from "./validate.js";

export class Compose {
  readonly editor: Editor;
  private readonly form: Form;
  private endpoint: Endpoint | null = null;
  private message: Message | null = null;
  private readonly verdict = h("div.verdict", { id: "faults", role: "status" });
  private readonly send = h("button.primary.send", { type: "button", onclick: () => this.go() });
  private readonly hint = h("span.hint", {}, h("kbd", {}, "Alt ↑ ↓"), " what you sent before");
  private readonly box = h("div.box");
  private readonly modes = h("div.modes", { role: "tablist", "aria-label": "How to write" });
  private asForm = false;
  private over = "";
  private readonly history: { message: string; text: string }[] = [];
  private at = -1;
  private saving = 0;

  constructor(private readonly app: App) {
    this.editor = new Editor(app.model);
    this.form = new Form((text) => {
      this.editor.value = text;
    });
    this.editor.onchange = () => this.changed();
    addEventListener("pagehide", () => this.flush());
    this.editor.ask = (ticket, endpoint, message, text) => app.post({ do: "check", ticket, endpoint, message, text });
  }

  private get draftKey(): string {
    return `draft ${this.endpoint?.path} ${this.message?.name}`;
  }

  example(): string {
    const s = this.message && this.app.model.sample(this.message);
    if (s === undefined || s === null) return this.message?.frame ? "" : "{}";
    return plain(write(s, "  "));
  }

  show(e: Endpoint, m: Message): (Node | null)[] {
    this.flush();
    this.endpoint = e;
    this.message = m;
    this.at = -1;
    this.editor.show(this.app.model, e, m, load(this.draftKey, this.example()));
    this.asForm = load("form", false) && !!this.fields();
    this.layout();
    const tool = (label: string, title: string, f: (b: HTMLElement) => void): HTMLElement => {
      const b: HTMLElement = h("button.small", { type: "button", title, onclick: () => f(b) }, label);
      return b;
    };
    const copies = h("details.menu", {}, h("summary.small", {}, icon("copy"), "Copy"), h("div.drop", {},
      tool("JSON", "The message on one line", (b) => void copy(this.wire(), b)),
      tool("websocat", "A command for the shell", (b) => void copy(this.websocat(), b)),
      tool("JavaScript", "new WebSocket(…), and the message sent", (b) => void copy(this.javaScript(), b))));
    return [
      this.app.head(m, "up"),
      h("section.editorbox", { "aria-label": "Message" },
        h("div.toolbar", {}, this.modes, h("span.spring"), tool("Example", "Start again from the example", () => this.put(this.example())), m.frame ? null : tool("Format", "Lay the JSON out", () => this.format()), copies),
        this.box, this.verdict,
        h("div.sendbar", {}, this.send, this.hint)),
      schemaOf(m, this.app.types()),
      m.links?.length ? h("p.replies", {}, m.responds ? "Answered by " : "May be answered by ", ...m.links.flatMap((l, i) => [i ? ", " : "", h("a", { href: "#" + l.link }, l.text)])) : h("p.replies", {}, "No answer is documented."),
      h("p.replies", {}, ...this.refused(e)),
    ];
  }

  /** What happens to a message that is not taken, and where the limits stand. */
  private refused(e: Endpoint): (Node | string)[] {
    const error = e.receive?.find((m) => m.error);
    const parts: (Node | string)[] = error ? ["Refused messages are answered by ", h("a", { href: "#" + error.id }, error.name), " (", h("a", { href: "#error-codes" }, "codes"), "). "] : [];
    const limit = e.bounds?.["maxMessage"];
    if (limit && limit > 0) parts.push(`At most ${bytesText(limit).replace(".0", "")}. `);
    for (const [k, v] of Object.entries(e.bounds ?? {})) {
      if (v > 0 && /[a-z](_per_|Per)/.test(k)) parts.push(`At most ${v.toLocaleString("en")} ${k.replaceAll("_", " ").replace(/[A-Z]/g, (c) => " " + c.toLowerCase())}. `);
    }
    return [...parts, "Limits and parameters: ", h("a", { href: "#" + encodeURIComponent(e.id) }, e.path)];
  }

  private fields(): ReturnType<typeof flatFields> {
    return this.endpoint && this.message ? flatFields(this.app.model, this.endpoint, this.message) : null;
  }

  private layout(): void {
    const fields = this.fields();
    if (this.asForm && !(fields && this.form.show(fields, this.endpoint!.payload ?? "", this.editor.value))) this.asForm = false;
    const mode = (label: string, form: boolean, off = false): HTMLElement => h("button", { type: "button", role: "tab", "aria-selected": String(this.asForm === form), disabled: off, title: off ? "for flat messages" : "", onclick: () => this.mode(form) }, label);
    redraw(this.modes, mode("JSON", false), this.message?.frame ? null : mode("Form", true, !fields));
    fill(this.box, this.asForm ? this.form.element : this.editor.element);
    this.changed();
    this.editor.update();
  }

  private mode(form: boolean): void {
    if (form && !(parse(this.editor.value) instanceof Map)) return this.app.say("The text is no JSON object: correct it first, then there is a form.");
    this.asForm = form;
    save("form", form || undefined);
    this.layout();
  }

  focus(): void {
    if (this.asForm) this.form.element.querySelector<HTMLElement>("input,select,textarea")?.focus();
    else {
      this.editor.area.focus();
      this.editor.area.setSelectionRange(0, 0);
    }
  }

  /** Replaces what is in the editor, with undo. */
  put(text: string): void {
    const tree = parse(text);
    const pretty = tree !== undefined && text.length < 100_000 ? plain(write(tree, "  ")) : text;
    if (this.asForm) {
      this.editor.value = pretty;
      this.layout();
    } else this.editor.replace(pretty);
    this.editor.close();
  }

  private format(): void {
    const tree = parse(this.editor.value);
    if (tree === undefined) {
      const fault = this.editor.check.issues[0];
      if (fault) this.editor.go(fault);
    } else this.put(this.editor.value);
  }

  private changed(): void {
    const { issues, pending } = this.editor.check;
    const parts: (HTMLElement | null)[] = [];
    this.over = pending ? "" : this.tooLarge();
    if (this.over) parts.push(h("p.not", {}, `✕ ${this.over}`));
    if (this.message?.frame) parts.push(h("p.ok", {}, `one ${this.message.frame} frame, as it is`));
    else if (pending) parts.push(h("p", {}, "checking…"));
    else if (!issues.length && this.over) parts.push(null);
    else if (!issues.length) parts.push(h("p.ok", {}, "✓ valid"));
    else {
      parts.push(h("p.not", {}, `✕ ${plural(issues.length, "issue")}${issues.length >= 100 ? " or more" : ""}`), this.asForm ? null : h("ul", {}, ...faults(this.editor)),
        issues.length > 8 ? h("p", {}, `and ${issues.length - 8} more`) : null);
    }
    const text = parts.map((p) => p?.textContent).join();
    if (this.verdict.dataset["text"] !== text) {
      this.verdict.dataset["text"] = text;
      fill(this.verdict, ...parts);
    }
    if (this.asForm) this.form.mark(issues);
    this.update();
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.flush(), 300) as unknown as number;
  }

  /** What is said of a message that is larger than the server takes. */
  private tooLarge(): string {
    const limit = this.endpoint?.bounds?.["maxMessage"] ?? 0, text = this.editor.value;
    if (limit <= 0 || text.length * 3 <= limit) return ""; // a UTF-16 unit is three bytes at most
    const size = new TextEncoder().encode(this.wire()).length;
    return size > limit ? `${size.toLocaleString("en")} bytes, and the server takes ${limit.toLocaleString("en")}: it would close with 1009` : "";
  }

  private flush(): void {
    clearTimeout(this.saving);
    if (!this.message || !this.saving) return;
    this.saving = 0;
    const text = this.editor.value;
    save(this.draftKey, text === this.example() || text.length > 200_000 ? undefined : text);
  }

  update(): void {
    if (!this.message) return;
    this.hint.hidden = !this.history.some((x) => x.message === this.message!.id);
    const c = this.app.active, open = c.state.is === "open";
    const bad = this.over !== "" || this.editor.check.issues.length > 0;
    const label = c.state.is === "connecting" ? (c.queue.length ? "Sends when connected" : "Send when connected") : open ? (bad ? "Send anyway" : "Send") : bad ? "Connect and send anyway" : "Connect and send";
    const to = this.app.conns.length > 1 ? ` on ${c.letter}` : "";
    if (this.send.dataset["label"] !== label + to) {
      this.send.dataset["label"] = label + to;
      fill(this.send, label + to, h("kbd", {}, command + " ↵"));
    }
    this.send.classList.toggle("doubt", bad);
    if (this.app.log) this.app.log.redrawEmpty();
  }

  /** What is sent: JSON without its layout, unless it is no JSON. */
  private wire(): string {
    const text = this.editor.value;
    return this.message?.frame || this.editor.check.issues[0]?.code === "syntax" ? text : compact(text);
  }

  go(): void {
    const { endpoint: e, message: m } = this;
    if (!e || !m || this.app.place.message !== m) return;
    this.editor.close();
    const text = this.wire();
    this.history.unshift({ message: m.id, text: this.editor.value });
    if (this.history.length > 200) this.history.pop();
    this.at = -1;
    this.update();
    this.app.active.send({ text, binary: m.frame ? m.frame === "binary" : !!e.binary, name: m.name, message: m.id }, this.app.model.data);
  }

  /** Walks through what was sent: back for 1, forward for -1. */
  recall(by: number): void {
    const mine = this.history.filter((x) => x.message === this.message?.id);
    const to = this.at + by;
    if (to < 0 || to >= mine.length) return;
    this.at = to;
    const at = this.at;
    this.put(mine[at]!.text);
    this.at = at;
  }

  private socket(): string {
    const u = this.app.active.address(this.app.model.data, true);
    u.protocol = u.protocol.replace("http", "ws");
    return u.href;
  }

  private websocat(): string {
    const quote = (s: string): string => `'${s.replaceAll("'", `'\\''`)}'`;
    const p = this.app.active.protocols(true);
    return `printf '%s\\n' ${quote(this.wire())} | websocat ${p.length ? `--protocol ${quote(p.join(","))} ` : ""}${this.endpoint?.binary ? "--binary " : ""}${quote(this.socket())}`;
  }

  private javaScript(): string {
    const p = this.app.active.protocols(true);
    return `const socket = new WebSocket(${JSON.stringify(this.socket())}${p.length ? ", " + JSON.stringify(p) : ""});\nsocket.onmessage = (event) => console.log(event.data);\nsocket.onopen = () => socket.send(${JSON.stringify(this.wire())});\n`;
  }
}
