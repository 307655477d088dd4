// The verdict of the server's engine on a text, in its words: what package schema's scanner says, from the plan that
// schema.ts makes of a printed schema.
import { formats, numeric } from "./format.js";
import { compare, decimal, isMultiple, key } from "./number.js";
import { matches } from "./pattern.js";
import { byteLength, type Issue, type Json, maxDepth, Num, parse, Scanner, escapePointer } from "./scan.js";
import { type Bound, type Node, planOf, type Value } from "./schema.js";

const maxListed = 10;

/** Every fault of text as a value of that plan; without a plan, every fault of it as JSON. */
export function validate(text: string, plan: Node | null): Issue[] {
  const s = new Checker(text);
  if (plan ? s.value(plan) : s.skip()) s.end();
  return s.faults();
}

class Checker extends Scanner {
  value(node: Node): boolean {
    const n = planOf(node);
    const c = this.peek(), start = this.pos;
    if (n.all.length || n.one.length) {
      if (!this.branches(n, start)) return false;
      if (n.kind === "any" || n.kind === "some") return true;
    }
    if (c === 110 && n.kind !== "any" && n.kind !== "some") return this.null(n);
    switch (n.kind) {
      case "object":
        if (c === 123) return this.object(n);
        break;
      case "array":
        if (c === 91) return this.array(n);
        break;
      case "string":
      case "bytes":
        if (c === 34) return this.string(n);
        break;
      case "int":
      case "float":
        if (n.quoted) {
          if (c === 34) return this.quotedNumber(n);
        } else if (c === 45 || (c >= 48 && c <= 57)) return this.plainNumber(n);
        break;
      case "bool":
        if (c === 116 || c === 102) return this.bool(n);
        break;
      case "name":
        return this.discriminator(n, c);
      case "any":
        return this.skip((raw, at) => this.finite(raw, 64, at, this.pos));
      case "some":
        return this.some(n);
      case "id":
        return this.skip();
    }
    return this.wrongType(n);
  }

  /** Tries the value against schemas that stand beside the type: only types that print their own schema have them. */
  private branches(n: Node, start: number): boolean {
    const { depth, hints, issues } = this;
    const attempt = (b: Node): Issue[] | null => {
      this.pos = start;
      this.depth = depth;
      this.hints = maxListed;
      this.issues = [];
      return this.value(b) ? this.issues : null;
    };
    let end = start;
    let faults: Issue[] = [];
    for (const b of n.all) {
      const got = attempt(b);
      if (!got) return false;
      end = this.pos;
      faults.push(...got);
    }
    if (n.one.length) {
      let fits = 0, nearest: Issue[] | null = null;
      for (const b of n.one) {
        const got = attempt(b);
        if (!got) return false;
        end = this.pos;
        if (!got.length) fits++;
        if (!nearest || got.length < nearest.length) nearest = got;
      }
      const isNull = this.text[start] === "n" && n.nullable;
      if (fits === 0 && nearest && !isNull) faults = faults.concat(nearest);
    }
    this.issues = issues;
    this.hints = hints;
    if (faults.length) {
      for (const f of faults) this.failAt(f.path, f.code, f.message, f.params, f.at, f.end);
    }
    this.depth = depth;
    this.pos = n.kind === "any" || n.kind === "some" ? end : start;
    return true;
  }

  private some(n: Node): boolean {
    const start = this.pos;
    if (!this.skip()) return false;
    const raw = this.text.slice(start, this.pos);
    if (n.enum && !(raw === "null" && n.nullable) && !n.enum.some((v) => same(v, raw))) this.failEnum(n, start, null);
    return true;
  }

  private null(n: Node): boolean {
    const start = this.pos;
    if (!this.literal("null")) return false;
    if (!n.nullable && n.kind !== "null" && n.kind !== "id") this.failType(n, start);
    return true;
  }

  private wrongType(n: Node): boolean {
    const start = this.pos;
    if (!this.skip()) return false;
    if (n.kind === "never") this.fail("not", "is not allowed", undefined, start, this.pos);
    else this.failType(n, start);
    return true;
  }

  private failType(n: Node, start: number): void {
    const t = wireType(n);
    const text = `must be ${/^[aeio]/.test(t) ? "an" : "a"} ${t}`;
    this.fail("type", n.nullable ? text + " or null" : text, { type: n.nullable ? [t, "null"] : t }, start, this.pos);
  }

  private bool(n: Node): boolean {
    const start = this.pos, lit = this.text[start] === "t" ? "true" : "false";
    if (!this.literal(lit)) return false;
    if (n.enum && !n.enum.some((v) => v.raw === lit)) this.failEnum(n, start, null);
    return true;
  }

  private plainNumber(n: Node): boolean {
    const start = this.pos, raw = this.number();
    if (raw === null) return false;
    this.numberRules(n, raw, this.whole, start);
    return true;
  }

  private numberRules(n: Node, raw: string, whole: boolean, start: number): void {
    if (n.kind === "float") {
      if (!this.finite(raw, n.bits, start, this.pos)) return;
    } else if (!whole || (raw === "-0" && !n.signed)) return this.failType(n, start);
    const d = decimal(raw);
    if (n.enum && !n.enum.some((v) => v.dec && compare(v.dec, d) === 0)) return this.failEnum(n, start, null);
    const check = (b: Bound | null, bad: boolean, code: string, text: string): void => {
      if (b && bad) this.fail(code, text + b.raw, { [code]: number(b.raw) }, start, this.pos);
    };
    check(n.min, !!n.min && compare(d, n.min.dec) < 0, "minimum", "must be at least ");
    check(n.exMin, !!n.exMin && compare(d, n.exMin.dec) <= 0, "exclusiveMinimum", "must be greater than ");
    check(n.max, !!n.max && compare(d, n.max.dec) > 0, "maximum", "must be at most ");
    check(n.exMax, !!n.exMax && compare(d, n.exMax.dec) >= 0, "exclusiveMaximum", "must be less than ");
    check(n.multiple, !!n.multiple && !isMultiple(d, n.multiple.dec), "multipleOf", "must be a multiple of ");
  }

  private finite(raw: string, bits: number, at: number, end: number): boolean {
    if (raw.length < 38 && !/[eE]/.test(raw)) return true;
    const f = bits === 32 ? Math.fround(Number(raw)) : Number(raw);
    if (Number.isFinite(f)) return true;
    const limit = bits === 32 ? "3.4028234663852886e+38" : "1.7976931348623157e+308";
    if (f > 0) this.fail("maximum", "must be at most " + limit, { maximum: Number(limit) }, at, end);
    else this.fail("minimum", "must be at least -" + limit, { minimum: -Number(limit) }, at, end);
    return false;
  }

  private quotedNumber(n: Node): boolean {
    const start = this.pos, val = this.str();
    if (val === null) return false;
    const is = numeric(val);
    if (!is || (n.kind === "int" && !is.whole)) this.fail("pattern", "must be a number in a string", undefined, start, this.pos);
    else this.numberRules(n, val, is.whole, start);
    return true;
  }

  private string(n: Node): boolean {
    const start = this.pos, val = this.str();
    if (val === null) return false;
    if (n.enum && !n.enum.some((v) => v.text === val)) {
      this.failEnum(n, start, val);
      return true;
    }
    if (n.kind === "bytes") {
      this.bytes(n, val, start);
      return true;
    }
    if (n.minLen > 0 || n.maxLen >= 0) this.length(n, characters(val), "minLength", "maxLength", "character", start);
    if (n.pattern !== null && matches(n.pattern, val) === false) this.fail("pattern", "must match " + n.pattern, { pattern: n.pattern }, start, this.pos);
    const f = formats[n.format];
    if (f?.check && !f.check(val)) this.fail("format", "must be " + f.text, { format: n.format }, start, this.pos);
    return true;
  }

  private bytes(n: Node, val: string, start: number): void {
    const good = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(val);
    const size = (val.length / 4) * 3 - (val.endsWith("==") ? 2 : val.endsWith("=") ? 1 : 0);
    if (!good) this.fail("contentEncoding", "must be base64", { contentEncoding: "base64" }, start, this.pos);
    else if (n.length >= 0 && size !== n.length) this.fail("contentEncoding", "must be base64 of " + plural(n.length, "byte"), { contentEncoding: "base64" }, start, this.pos);
    else if (n.length < 0 && (n.minLen > 0 || n.maxLen >= 0)) this.length(n, val.length, "minLength", "maxLength", "character", start);
  }

  private length(n: Node, count: number, low: string, high: string, unit: string, start: number): void {
    if (count < n.minLen) this.fail(low, "must have at least " + plural(n.minLen, unit), { [low]: n.minLen }, start, this.pos);
    if (n.maxLen >= 0 && count > n.maxLen) this.fail(high, "must have at most " + plural(n.maxLen, unit), { [high]: n.maxLen }, start, this.pos);
  }

  private failEnum(n: Node, start: number, text: string | null): void {
    const values = n.enum!;
    if (n.isConst) return this.fail("const", "must be " + values[0]!.raw, { const: show(values[0]!) }, start, this.pos);
    const listed = values.slice(0, maxListed);
    let message = "must be one of " + listed.map((v) => v.raw).join(", ");
    if (values.length > maxListed) message += ` and ${values.length - maxListed} more`;
    const params: Record<string, unknown> = { enum: listed.map(show) };
    const near = text === null ? "" : this.suggest(text, values.map((v) => v.text ?? ""));
    if (near) params["did_you_mean"] = near;
    this.fail("enum", message, params, start, this.pos);
  }

  private discriminator(n: Node, c: number): boolean {
    const start = this.pos, values = n.enum ?? [], isString = values[0]?.text !== null;
    if (isString !== (c === 34) || (!isString && c !== 45 && (c < 48 || c > 57))) {
      return c === 110 ? this.null(n) : this.wrongType(n);
    }
    const val = isString ? this.str() : this.number();
    if (val === null) return false;
    if (!isString && !this.whole) this.failType(n, start);
    else if (!values.some((v) => (isString ? v.text : v.raw) === val)) {
      const listed = values.slice(0, maxListed);
      if (values.length === 1) this.fail("const", "must be " + values[0]!.raw, { const: show(values[0]!) }, start, this.pos);
      else this.fail("const", "must be one of " + listed.map((v) => v.raw).join(", "), { enum: listed.map(show) }, start, this.pos);
    }
    return true;
  }

  private array(n: Node): boolean {
    const start = this.pos, before = this.issues.length;
    if (!this.enter()) return false;
    let count = 0;
    const seen = new Map<string, number>();
    let twice: [number, number] | null = null;
    if (this.peek() === 93) this.leave();
    else {
      for (;;) {
        this.path[this.depth - 1] = count;
        this.peek();
        const at = this.pos;
        if (!this.value(n.elem!)) return false;
        if (n.unique && !twice && this.issues.length === before) {
          const form = canonical(this.text.slice(at, this.pos)), other = seen.get(form);
          if (other !== undefined) twice = [other, count];
          else seen.set(form, count);
        }
        count++;
        const more = this.next(93);
        if (more === true) continue;
        if (more === false) return false;
        break;
      }
    }
    if (n.length >= 0) {
      const code = count > n.length ? "maxItems" : "minItems";
      if (count !== n.length) this.fail(code, "must have exactly " + plural(n.length, "item"), { [code]: n.length }, start, this.pos);
    } else this.length(n, count, "minItems", "maxItems", "item", start);
    if (twice && this.issues.length === before) {
      this.fail("uniqueItems", `must not repeat an item, ${twice[0]} and ${twice[1]} are equal`, { uniqueItems: twice }, start, this.pos);
    }
    return true;
  }

  private object(n: Node): boolean {
    const start = this.pos;
    if (!this.enter()) return false;
    const seen = new Set<string>();
    let count = 0;
    if (this.peek() !== 125) {
      for (;;) {
        const name = this.member();
        if (name === null) return false;
        const i = n.byName.get(name);
        let ok: boolean;
        if (i !== undefined) {
          if (seen.has(name)) {
            this.duplicate();
            ok = this.skip();
          } else ok = this.value(n.fields[i]!.node);
        } else ok = this.unknown(n, seen, name);
        if (!ok) return false;
        seen.add(name);
        count++;
        const c = this.peek();
        if (c === 125) break;
        if (c !== 44) return this.unexpected("',' or '}'");
        this.pos++;
      }
    }
    this.leave();
    this.missing(n, seen, start);
    if (n.minLen > 0 || n.maxLen >= 0) this.length(n, count, "minProperties", "maxProperties", "member", start);
    return true;
  }

  private unknown(n: Node, seen: Set<string>, name: string): boolean {
    if (seen.has(name)) {
      this.duplicate();
      return this.skip();
    }
    if (n.elem) {
      if (n.key) this.memberName(n.key, name);
      return this.value(n.elem);
    }
    if (n.closed) {
      const near = this.suggest(name, n.fields.map((f) => f.name));
      this.fail("additionalProperties", "is not a known member", near ? { did_you_mean: near } : undefined, this.nameAt, this.nameEnd);
    }
    return this.skip();
  }

  private memberName(k: "int" | "uint" | Node, name: string): void {
    if (typeof k !== "string") {
      if (validate(JSON.stringify(name), k).length) this.fail("propertyNames", "must be named in the right format", undefined, this.nameAt, this.nameEnd);
      return;
    }
    const is = numeric(name);
    if (is?.whole && name !== "-0") {
      const v = BigInt(name), bits = k === "int" ? BigInt.asIntN(64, v) : BigInt.asUintN(64, v);
      if (v === bits) return;
    }
    this.fail("propertyNames", "must be named by an integer that fits " + k, undefined, this.nameAt, this.nameEnd);
  }

  private missing(n: Node, seen: Set<string>, start: number): void {
    n.fields.forEach((f, i) => {
      if (!f.required || seen.has(f.name)) return;
      const inner = i === n.payload ? planOf(f.node) : null;
      const at = `${this.pointer()}/${escapePointer(f.name)}`;
      if (inner?.kind === "object" && inner.fields.length) {
        for (const g of inner.fields) if (g.required) this.failAt(`${at}/${escapePointer(g.name)}`, "required", "is required", undefined, start, this.pos);
      } else this.failAt(at, "required", "is required", undefined, start, this.pos);
    });
  }

  /** The nearest of names to one that is unknown, "" if none is near. */
  private suggest(name: string, names: string[]): string {
    if (this.hints >= maxListed || byteLength(name) > maxDepth) return "";
    this.hints++;
    return nearest(name, names);
  }
}

/** What the server suggests for a name that it does not know, "" if nothing is near. */
export function nearest(name: string, names: string[]): string {
  let best = "", limit = 3;
  const bytes = new TextEncoder(), a = bytes.encode(name);
  for (const candidate of names.slice(0, 256)) {
    const d = distance(a, bytes.encode(candidate), limit);
    if (d < limit && d * 2 < Math.max(a.length, 2)) {
      best = candidate;
      limit = d;
    }
  }
  return best;
}

function distance(a: Uint8Array, b: Uint8Array, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let prev2: number[] = [], prev = Array.from({ length: b.length + 1 }, (_, j) => j), cur: number[] = [];
  for (let i = 1; i <= a.length; i++) {
    cur = [i];
    for (let j = 1; j <= b.length; j++) {
      let d = Math.min(prev[j]! + 1, cur[j - 1]! + 1, prev[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d = Math.min(d, prev2[j - 2]! + 1);
      cur.push(d);
    }
    [prev2, prev] = [prev, cur];
  }
  return Math.min(prev[b.length]!, limit);
}

function wireType(n: Node): string {
  switch (n.kind) {
    case "bool": return "boolean";
    case "int": return n.quoted ? "string" : "integer";
    case "float": return n.quoted ? "string" : "number";
    case "array": case "object": case "null": return n.kind;
    case "name": return n.enum?.[0]?.text === null ? "integer" : "string";
    default: return "string";
  }
}

export function plural(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? "" : "s"}`;
}

function characters(s: string): number {
  let n = s.length;
  for (let i = 0; i < s.length; i++) if ((s.charCodeAt(i) & 0xfc00) === 0xdc00) n--;
  return n;
}

const number = (raw: string): unknown => (/^-?\d{16,}$/.test(raw) ? BigInt(raw) : Number(raw));
const show = (v: Value): unknown => v.text ?? (v.dec ? number(v.raw) : v.raw === "true" ? true : v.raw === "false" ? false : v.raw);

function same(v: Value, raw: string): boolean {
  return canonical(v.raw) === canonical(raw);
}

/** One form for all texts that JSON Schema calls equal. */
function canonical(raw: string): string {
  const form = (v: Json): unknown => {
    if (v instanceof Num) return { n: key(decimal(v.raw)) };
    if (Array.isArray(v)) return v.map(form);
    if (v instanceof Map) return { o: [...v].sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, e]) => [k, form(e)]) };
    return v;
  };
  return JSON.stringify(form(parse(raw) ?? null));
}
