// A printed JSON Schema becomes a plan, the shape that package schema had before it printed.
import { type Decimal, decimal } from "./number.js";
import { type Json, Num, write } from "./scan.js";

export type Kind = "any" | "object" | "array" | "string" | "bytes" | "int" | "float" | "bool" | "null" | "name" | "id" | "never" | "some";

export interface Bound {
  raw: string;
  dec: Decimal;
}
export interface Value {
  raw: string; // as JSON
  text: string | null; // if it is a string
  dec: Decimal | null; // if it is a number
}
export interface Field {
  name: string;
  node: Node;
  required: boolean;
  schema: Json;
}
export interface Node {
  kind: Kind;
  schema: Json;
  ref?: () => Node; // another plan, for which the rest are rules of the place
  nullable: boolean;
  quoted: boolean; // a number inside a string
  bits: number; // of a float
  signed: boolean; // takes -0
  enum: Value[] | null;
  isConst: boolean;
  min: Bound | null;
  max: Bound | null;
  exMin: Bound | null;
  exMax: Bound | null;
  multiple: Bound | null;
  minLen: number;
  maxLen: number; // -1: none
  length: number; // exactly, of arrays and bytes. -1: any
  pattern: string | null;
  format: string;
  unique: boolean;
  elem: Node | null; // items, or members that are no fields
  key: "" | "int" | "uint" | Node;
  fields: Field[];
  byName: Map<string, number>;
  closed: boolean;
  payload: number; // index of the field that holds the body, -1 for none
  all: Node[]; // more that must hold
  one: Node[]; // one of them must hold
  oneOf: boolean; // exactly one
}

export interface Envelope {
  discriminator: string;
  payload: string;
  id: string;
}

const signedNumber = "^-?(0|[1-9][0-9]*)$", unsignedNumber = "^(0|[1-9][0-9]*)$", signedKey = "^(0|-?[1-9][0-9]*)$";
const anyNumber = "^-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?$";
const bound = (raw: string): Bound => ({ raw, dec: decimal(raw) });
const int64: [Bound, Bound] = [bound("-9223372036854775808"), bound("9223372036854775807")];
const uint64: [Bound, Bound] = [bound("0"), bound("18446744073709551615")];

/** Compiles the schemas of one document, whose references find them by name. */
export class Schemas {
  private readonly compiled = new Map<string, Node>();

  constructor(readonly named: Map<string, Json>) {}

  /** The plan of the schema called name. */
  get(name: string): Node {
    let n = this.compiled.get(name);
    if (!n) {
      n = this.node(this.named.get(name) ?? true);
      this.compiled.set(name, n);
    }
    return n;
  }

  /** The plan of a whole message: that schema with its envelope. */
  message(name: string, e: Envelope): Node {
    const n = { ...resolve(this.get(name)) };
    n.payload = -1;
    n.fields = n.fields.map((f, i) => {
      if (f.name === e.discriminator && e.discriminator !== "") return { ...f, node: { ...resolve(f.node), kind: "name" } };
      if (f.name === e.id && e.id !== "" && isID(f.schema)) return { ...f, node: { ...f.node, kind: "id" } };
      if (f.name === e.payload && e.payload !== "") n.payload = i;
      return f;
    });
    return n;
  }

  node(s: Json): Node {
    const n: Node = {
      kind: "any", schema: s, nullable: false, quoted: false, bits: 64, signed: true, enum: null, isConst: false,
      min: null, max: null, exMin: null, exMax: null, multiple: null, minLen: 0, maxLen: -1, length: -1, pattern: null, format: "",
      unique: false, elem: null, key: "", fields: [], byName: new Map(), closed: false, payload: -1, all: [], one: [], oneOf: false,
    };
    if (s === false) n.kind = "never";
    if (!(s instanceof Map)) return n;
    const ref = s.get("$ref");
    if (typeof ref === "string") {
      n.ref = () => this.reference(ref);
      return n;
    }
    const any = list(s, "anyOf"), all = list(s, "allOf"), one = list(s, "oneOf");
    if (any.length === 2 && isNull(any[1]!)) {
      const inner = this.node(any[0]!);
      n.ref = () => inner;
      n.nullable = true;
      this.lengths(n, s);
      return n;
    }
    if (all.length === 1 && !s.has("type") && !s.has("properties")) {
      const inner = this.node(all[0]!);
      n.ref = () => inner;
      this.lengths(n, s);
      return n;
    }
    n.all = all.map((b) => this.node(b));
    n.one = (any.length ? any : one).map((b) => this.node(b));
    n.oneOf = !any.length && one.length > 0;
    if (s.has("not") && s.get("not") instanceof Map && (s.get("not") as Map<string, Json>).size === 0) n.kind = "never";
    this.typed(n, s);
    return n;
  }

  private reference(ref: string): Node {
    const name = decodePointer(ref.slice(ref.lastIndexOf("/") + 1));
    return ref.startsWith("#/") && this.named.has(name) ? this.get(name) : this.node(true);
  }

  private typed(n: Node, s: Map<string, Json>): void {
    this.values(n, s);
    let types = s.get("type");
    if (Array.isArray(types)) {
      n.nullable = types.includes("null");
      types = types.filter((t) => t !== "null");
      if (types.length > 1) {
        const rest = new Map(s);
        n.one = types.map((t) => this.node(new Map(rest).set("type", t)));
        return;
      }
      types = types[0];
    }
    switch (types) {
      case "object":
        n.kind = "object";
        this.object(n, s);
        break;
      case "array":
        n.kind = "array";
        n.elem = this.node(s.get("items") ?? true);
        n.unique = s.get("uniqueItems") === true;
        break;
      case "string":
        this.string(n, s);
        break;
      case "integer":
      case "number":
        this.number(n, s, types);
        break;
      case "boolean":
        n.kind = "bool";
        break;
      case "null":
        n.kind = "null";
        break;
      default:
        if (s.has("properties")) {
          n.kind = "object";
          this.object(n, s);
        } else if (n.kind === "any" && (n.enum || n.all.length)) n.kind = "some";
        else if (n.one.length) n.kind = "some";
    }
    this.lengths(n, s);
    if (n.kind === "array" && n.minLen === n.maxLen) n.length = n.maxLen;
  }

  private lengths(n: Node, s: Map<string, Json>): void {
    for (const [low, high] of [["minLength", "maxLength"], ["minItems", "maxItems"], ["minProperties", "maxProperties"]] as const) {
      const a = s.get(low), b = s.get(high);
      if (a instanceof Num) n.minLen = Number(a.raw);
      if (b instanceof Num) n.maxLen = Number(b.raw);
    }
    if (s.get("uniqueItems") === true) n.unique = true;
  }

  private values(n: Node, s: Map<string, Json>): void {
    const value = (v: Json): Value => ({ raw: write(v), text: typeof v === "string" ? v : null, dec: v instanceof Num ? decimal(v.raw) : null });
    if (s.has("const")) {
      n.enum = [value(s.get("const")!)];
      n.isConst = true;
    }
    const all = list(s, "enum");
    if (all.length) n.enum = all.filter((v) => v !== null).map(value);
  }

  private string(n: Node, s: Map<string, Json>): void {
    n.kind = "string";
    n.format = text(s, "format");
    n.pattern = s.has("pattern") ? text(s, "pattern") : null;
    if (s.get("contentEncoding") === "base64") {
      n.kind = "bytes";
      const size = s.get("minLength");
      if (size instanceof Num && n.pattern !== null) n.length = (Number(size.raw) / 4) * 3 - (n.pattern === "==$" ? 2 : n.pattern === "[^=]=$" ? 1 : 0);
      return;
    }
    if (n.pattern === signedNumber || n.pattern === unsignedNumber || n.pattern === anyNumber) {
      n.quoted = true;
      n.kind = n.pattern === anyNumber ? "float" : "int";
      if (n.kind === "int") [n.min, n.max] = n.pattern === signedNumber ? int64 : uint64;
      n.signed = n.pattern !== unsignedNumber;
      n.pattern = null;
    }
  }

  private number(n: Node, s: Map<string, Json>, type: string): void {
    n.kind = type === "integer" ? "int" : "float";
    n.format = text(s, "format");
    if (n.format === "float") n.bits = 32;
    const of = (name: string): Bound | null => {
      const v = s.get(name);
      return v instanceof Num ? bound(v.raw) : null;
    };
    n.min = of("minimum");
    n.max = of("maximum");
    n.exMin = of("exclusiveMinimum");
    n.exMax = of("exclusiveMaximum");
    n.multiple = of("multipleOf");
    if (n.kind === "int") {
      // What is not printed is implied by the Go type: bounds of 64 bits, which other readers' numbers cannot hold.
      const [low, high] = n.format === "" && (n.min === null || !n.min.dec.neg) ? uint64 : int64;
      n.signed = n.min === null || n.min.dec.neg || n.format.startsWith("int");
      n.min ??= low;
      n.max ??= high;
    }
  }

  private object(n: Node, s: Map<string, Json>): void {
    const required = new Set(list(s, "required"));
    const properties = s.get("properties");
    if (properties instanceof Map) {
      for (const [name, schema] of properties) {
        n.byName.set(name, n.fields.length);
        n.fields.push({ name, node: this.node(schema), required: required.has(name), schema });
      }
    }
    const more = s.get("additionalProperties");
    if (more === false) n.closed = true;
    else if (more instanceof Map) n.elem = this.node(more);
    const names = s.get("propertyNames");
    if (names instanceof Map) {
      const p = names.get("pattern");
      n.key = p === signedKey ? "int" : p === unsignedNumber ? "uint" : this.node(new Map(names).set("type", "string"));
      n.elem ??= this.node(true);
    }
  }
}

/** The plan that a reference leads to, with the rules of the place. */
export function resolve(n: Node): Node {
  for (let i = 0; n.ref && i < 100; i++) {
    const place: Node = n, target = resolve(place.ref!());
    n = { ...target, nullable: place.nullable || target.nullable, unique: place.unique || target.unique };
    if (place.minLen > 0) n.minLen = place.minLen;
    if (place.maxLen >= 0) n.maxLen = place.maxLen;
    delete n.ref;
  }
  return n;
}

const resolved = new WeakMap<Node, Node>();

/** resolve, once for each plan. */
export function planOf(n: Node): Node {
  if (!n.ref) return n;
  let r = resolved.get(n);
  if (!r) {
    r = resolve(n);
    resolved.set(n, r);
  }
  return r;
}

export function list(s: Map<string, Json>, name: string): Json[] {
  const v = s.get(name);
  return Array.isArray(v) ? v : [];
}

export function text(s: Map<string, Json>, name: string): string {
  const v = s.get(name);
  return typeof v === "string" ? v : "";
}

const isNull = (s: Json): boolean => s instanceof Map && s.size === 1 && s.get("type") === "null";

/** The correlation id that a router adds, in which anything may stand. */
function isID(s: Json): boolean {
  if (!(s instanceof Map)) return false;
  const max = s.get("maxLength");
  return write(s.get("type") ?? null) === '["string","integer"]' && max instanceof Num && max.raw === "128";
}

function decodePointer(s: string): string {
  try {
    s = decodeURIComponent(s);
  } catch {
    // not escaped
  }
  return s.replaceAll("~1", "/").replaceAll("~0", "~");
}
