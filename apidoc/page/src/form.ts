// A form in the place of JSON, for messages that are flat.
import type { Endpoint, Message, Model } from "./data.js";
import { fill, h, plain } from "./dom.js";
import { type Issue, type Json, Num, parse, write } from "./scan.js";
import { type Field, type Node, planOf, text as textOf } from "./schema.js";
import { kindName } from "./editor.js";
import { numeric } from "./format.js";

/** The fields of a flat message, null if it is not flat. */
export function flatFields(model: Model, e: Endpoint, m: Message): Field[] | null {
  const plan = model.plan(e, m);
  if (!plan || plan.kind !== "object" || plan.elem) return null;
  const body = bodyOf(plan);
  if (!body || body.kind !== "object" || body.elem) return null;
  const fields = body.fields.filter((f) => f.node.kind !== "name" && f.node.kind !== "id");
  const scalar = fields.every((f) => {
    const n = planOf(f.node);
    return !n.one.length && !n.all.length && ["string", "bytes", "int", "float", "bool", "name", "id"].includes(n.kind);
  });
  return scalar && fields.length ? fields : null;
}

function bodyOf(plan: Node): Node | null {
  return plan.payload < 0 ? plan : planOf(plan.fields[plan.payload]!.node);
}

export class Form {
  readonly element = h("div.form");
  private readonly inputs = new Map<string, { read: () => void; fault: HTMLElement; input: HTMLElement }>();
  private tree = new Map<string, Json>();
  private payload = "";

  constructor(private readonly change: (text: string) => void) {}

  /** Shows text as a form; false if it is no object. */
  show(fields: Field[], payload: string, text: string): boolean {
    const tree = parse(text);
    if (!(tree instanceof Map)) return false;
    this.tree = tree;
    this.payload = payload;
    this.inputs.clear();
    this.element.replaceChildren(...fields.map((f) => this.field(f)));
    return true;
  }

  private body(): Map<string, Json> {
    if (!this.payload) return this.tree;
    let b = this.tree.get(this.payload);
    if (!(b instanceof Map)) {
      b = new Map();
      this.tree.set(this.payload, b);
    }
    return b;
  }

  private set(name: string, v: Json | undefined): void {
    if (v === undefined) this.body().delete(name);
    else this.body().set(name, v);
    this.change(plain(write(this.tree, "  ")));
  }

  private field(f: Field): HTMLElement {
    const n = planOf(f.node), value = this.body().get(f.name);
    const about = f.schema instanceof Map ? textOf(f.schema, "description") : "";
    let input: HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
    const shown = value instanceof Num ? value.raw : typeof value === "string" ? value : value === undefined || value === null ? "" : String(value);
    if (n.enum || n.kind === "bool") {
      const choices = n.enum ? n.enum.map((v) => v.raw) : ["true", "false"];
      const now = value === undefined ? "" : write(value);
      input = h("select", { onchange: () => this.set(f.name, input.value === "" ? undefined : parse(input.value)) },
        f.required && value !== undefined ? null : h("option", { value: "" }, "—"),
        ...choices.map((c) => h("option", { value: c, selected: c === now }, c.startsWith('"') ? String(parse(c)) : c)),
        n.nullable ? h("option", { value: "null", selected: now === "null" }, "null") : null);
    } else {
      const long = n.kind === "string" && !n.format && (n.maxLen < 0 || n.maxLen > 120);
      const read = (): void => this.set(f.name, this.parsed(n, f, input.value));
      input = long ? h("textarea", { rows: Math.min(6, shown.split("\n").length + 1), spellcheck: "true", oninput: read }) : h("input", { type: n.format === "password" ? "password" : "text", inputmode: n.kind === "int" ? "numeric" : n.kind === "float" ? "decimal" : null, autocomplete: "off", spellcheck: "false", placeholder: n.nullable && f.required ? "null" : f.required ? "" : "left out", oninput: read });
      input.value = shown;
    }
    const fault = h("span.fault", { role: "alert" });
    this.inputs.set(f.name, { read: () => {}, fault, input });
    return h("label", {}, h("span.label", {}, h("b", {}, f.name), f.required ? h("em.must", {}, "required") : null, h("small", {}, kindName(f.node))), input, fault, about ? h("small.about", {}, about) : null);
  }

  private parsed(n: Node, f: Field, text: string): Json | undefined {
    if (text === "" && (!f.required || n.nullable)) return f.required ? null : undefined;
    if ((n.kind === "int" || n.kind === "float") && !n.quoted) return numeric(text) ? new Num(text) : text;
    return text;
  }

  mark(issues: Issue[]): void {
    const base = this.payload ? `/${this.payload}/` : "/";
    for (const [name, { fault, input }] of this.inputs) {
      const i = issues.find((x) => x.path === base + name.replaceAll("~", "~0").replaceAll("/", "~1"));
      fill(fault, i ? i.message : "");
      input.setAttribute("aria-invalid", String(!!i));
    }
  }
}
