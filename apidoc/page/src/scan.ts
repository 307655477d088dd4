// The walk over one JSON text, in place: what package schema's scanner does, with its faults in its words.
// JSON.parse loses what matters here: duplicate members, 12.0, 1e400, integers beyond 2^53, and where a fault is.

/** One fault. path is a JSON Pointer; at and end are where it stands in the text, in UTF-16 units. */
export interface Issue {
  path: string;
  code: string;
  message: string;
  params?: Record<string, unknown>;
  at: number;
  end: number;
}

export const maxDepth = 64;
const maxIssues = 100;

export class Scanner {
  pos = 0;
  depth = 0;
  readonly path: (string | number)[] = [];
  base = "";
  bad = "";
  badAt = 0;
  issues: Issue[] = [];
  hints = 0;
  limit = maxDepth;

  constructor(readonly text: string) {}

  /** Malformed JSON is the only issue there is. */
  faults(): Issue[] {
    if (!this.bad) return this.issues;
    const offset = byteLength(this.text, this.badAt);
    return [{ path: "", code: "syntax", message: `${this.bad} at byte ${offset}`, params: { offset }, at: this.badAt, end: Math.min(this.badAt + 1, this.text.length) }];
  }

  syntax(at: number, what: string): false {
    if (!this.bad) {
      this.bad = what;
      this.badAt = at;
    }
    return false;
  }

  unexpected(want: string): false {
    if (this.pos >= this.text.length) return this.syntax(this.text.length, `unexpected end, ${want} is missing`);
    const r = this.text.codePointAt(this.pos)!;
    if (r >= 0xd800 && r <= 0xdfff) return this.syntax(this.pos, "invalid UTF-8");
    return this.syntax(this.pos, `unexpected ${quoteRune(r)}, want ${want}`);
  }

  /** Skips white space and returns the next code unit, 0 at the end. */
  peek(): number {
    for (; this.pos < this.text.length; this.pos++) {
      const c = this.text.charCodeAt(this.pos);
      if (c !== 32 && c !== 10 && c !== 9 && c !== 13) return c;
    }
    return 0;
  }

  end(): boolean {
    this.peek();
    return this.pos < this.text.length ? this.unexpected("the end") : true;
  }

  enter(): boolean {
    if (this.depth === this.limit) {
      this.fail("depth", "is nested deeper than 64 levels", { depth: maxDepth }, this.pos, this.pos + 1);
      return false;
    }
    this.depth++;
    this.pos++;
    return true;
  }

  leave(): true {
    this.depth--;
    this.pos++;
    return true;
  }

  literal(text: string): boolean {
    if (this.text.startsWith(text, this.pos)) {
      this.pos += text.length;
      return true;
    }
    for (let i = 0; i < text.length && this.text[this.pos] === text[i]; i++) this.pos++;
    return this.unexpected(text);
  }

  /** Reads a number and returns its text, null for none; whole says that it has neither fraction nor exponent. */
  whole = false;
  number(): string | null {
    const t = this.text, start = this.pos;
    let i = start;
    if (t.charCodeAt(i) === 45) i++;
    const c = t.charCodeAt(i);
    if (c === 48) i++;
    else if (c >= 49 && c <= 57) i = digits(t, i);
    else {
      this.pos = i;
      this.unexpected("a digit");
      return null;
    }
    this.whole = true;
    if (t.charCodeAt(i) === 46) {
      this.whole = false;
      this.pos = i + 1;
      if ((i = digits(t, this.pos)) === this.pos) {
        this.unexpected("a digit");
        return null;
      }
    }
    if ((t.charCodeAt(i) | 32) === 101) {
      this.whole = false;
      const sign = t.charCodeAt(++i);
      if (sign === 43 || sign === 45) i++;
      this.pos = i;
      if ((i = digits(t, i)) === this.pos) {
        this.unexpected("a digit");
        return null;
      }
    }
    this.pos = i;
    return t.slice(start, i);
  }

  /** Reads the string at pos and returns what it says, null if it is malformed. */
  str(): string | null {
    const t = this.text;
    let out = "", from = this.pos + 1, i = from;
    for (;;) {
      const c = t.charCodeAt(i);
      if (c === 34) {
        this.pos = i + 1;
        return out === "" ? t.slice(from, i) : out + t.slice(from, i);
      }
      if (i >= t.length) {
        this.pos = i;
        this.unexpected("the end of the string");
        return null;
      }
      if (c === 92) {
        out += t.slice(from, i);
        const n = unescape(t, i);
        if (typeof n === "string") {
          this.syntax(i, n);
          return null;
        }
        out += escaped;
        from = i += n;
        continue;
      }
      if (c < 32) {
        this.syntax(i, `control character ${quoteRune(c)} in a string`);
        return null;
      }
      if (c >= 0xd800 && c <= 0xdfff) {
        const low = t.charCodeAt(i + 1);
        if (c > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) {
          this.syntax(i, "invalid UTF-8");
          return null;
        }
        i++;
      }
      i++;
    }
  }

  /** Reads a value that no rule applies to but those of JSON. */
  skip(number?: (raw: string, at: number) => void): boolean {
    const c = this.peek();
    if (c === 123) return this.skipObject(number);
    if (c === 91) return this.skipArray(number);
    if (c === 34) return this.str() !== null;
    if (c === 116) return this.literal("true");
    if (c === 102) return this.literal("false");
    if (c === 110) return this.literal("null");
    if (isDigit(c) || c === 45) {
      const at = this.pos, raw = this.number();
      if (raw !== null) number?.(raw, at);
      return raw !== null;
    }
    return this.unexpected("a value");
  }

  private skipArray(number?: (raw: string, at: number) => void): boolean {
    if (!this.enter()) return false;
    if (this.peek() === 93) return this.leave();
    for (let i = 0; ; i++) {
      this.path[this.depth - 1] = i;
      if (!this.skip(number)) return false;
      const more = this.next(93);
      if (more !== true) return more === null;
    }
  }

  private skipObject(number?: (raw: string, at: number) => void): boolean {
    if (!this.enter()) return false;
    if (this.peek() === 125) return this.leave();
    const names = new Set<string>();
    for (;;) {
      const name = this.member();
      if (name === null) return false;
      if (names.has(name)) this.duplicate();
      names.add(name);
      if (!this.skip(number)) return false;
      const more = this.next(125);
      if (more !== true) return more === null;
    }
  }

  nameAt = 0;
  nameEnd = 0;

  /** Reads a name and the colon behind it, and takes the step to the value. */
  member(): string | null {
    if (this.peek() !== 34) {
      this.unexpected("a member name");
      return null;
    }
    const at = this.pos, name = this.str();
    if (name === null) return null;
    this.nameAt = at;
    this.nameEnd = this.pos;
    this.path[this.depth - 1] = name;
    if (this.peek() !== 58) {
      this.unexpected("':'");
      return null;
    }
    this.pos++;
    return name;
  }

  /** What stands behind a value: true for a comma, null for the end of the container, false for a fault. */
  next(end: number): boolean | null {
    const c = this.peek();
    if (c === 44) {
      this.pos++;
      return true;
    }
    if (c === end) {
      this.leave();
      return null;
    }
    return this.unexpected(`',' or '${String.fromCharCode(end)}'`);
  }

  duplicate(): void {
    this.fail("duplicate", "is given more than once", undefined, this.nameAt, this.nameEnd);
  }

  fail(code: string, message: string, params: Record<string, unknown> | undefined, at: number, end: number): void {
    this.failAt(this.pointer(), code, message, params, at, end);
  }

  failAt(path: string, code: string, message: string, params: Record<string, unknown> | undefined, at: number, end: number): void {
    if (this.issues.length < maxIssues) this.issues.push({ path, code, message, params, at, end });
  }

  pointer(): string {
    let p = this.base;
    for (let i = 0; i < this.depth; i++) p += "/" + escapePointer(String(this.path[i]));
    return p;
  }
}

export function escapePointer(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

export const isDigit = (c: number): boolean => c >= 48 && c <= 57;

export function digits(t: string, i: number): number {
  while (isDigit(t.charCodeAt(i))) i++;
  return i;
}

/** Bytes of the first n units in UTF-8. A lone surrogate is malformed and stands alone: three, as Go reads it. */
export function byteLength(t: string, n = t.length): number {
  let bytes = 0;
  for (let i = 0; i < n; i++) {
    const c = t.charCodeAt(i);
    if (c < 0x80) bytes++;
    else if (c < 0x800) bytes += 2;
    else if (c >= 0xd800 && c < 0xdc00 && i + 1 < t.length && (t.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

let escaped = "";

/** Reads the escape at i: its length, with what it says in escaped, or what is wrong. */
function unescape(t: string, i: number): number | string {
  const c = t[i + 1];
  if (c === undefined) return "unfinished escape";
  const k = '"\\/bfnrt'.indexOf(c);
  if (k >= 0) {
    escaped = '"\\/\b\f\n\r\t'[k]!;
    return 2;
  }
  if (c !== "u") return "unknown escape";
  const r = hex4(t, i + 2);
  if (r < 0) return "bad \\u escape";
  if (r < 0xd800 || r > 0xdfff) {
    escaped = String.fromCharCode(r);
    return 6;
  }
  if (r < 0xdc00 && t[i + 6] === "\\" && t[i + 7] === "u") {
    const low = hex4(t, i + 8);
    if (low >= 0xdc00 && low <= 0xdfff) {
      escaped = String.fromCharCode(r, low);
      return 12;
    }
  }
  return "lone surrogate";
}

function hex4(t: string, i: number): number {
  const s = t.slice(i, i + 4);
  return /^[0-9a-fA-F]{4}$/.test(s) ? parseInt(s, 16) : -1;
}

/** A character as Go's strconv.QuoteRune writes it. */
function quoteRune(r: number): string {
  const named = "\x07\b\f\n\r\t\v'\\".indexOf(String.fromCodePoint(r));
  if (named >= 0) return `'\\${"abfnrtv'\\"[named]}'`;
  if (r < 32 || r === 0x7f) return `'\\x${r.toString(16).padStart(2, "0")}'`;
  const s = String.fromCodePoint(r);
  if (r === 32 || /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(s)) return `'${s}'`;
  return r < 0x10000 ? `'\\u${r.toString(16).padStart(4, "0")}'` : `'\\U${r.toString(16).padStart(8, "0")}'`;
}

/** A number as it was written: nothing of it is lost. */
export class Num {
  constructor(readonly raw: string) {}
}
export type Json = null | boolean | string | Num | Json[] | Map<string, Json>;

/** Reads a JSON text into a tree that keeps numbers as written and members in order; undefined if it is malformed. */
export function parse(text: string): Json | undefined {
  const s = new Scanner(text);
  s.limit = 1000;
  const v = read(s);
  return v !== undefined && s.end() ? v : undefined;
}

function read(s: Scanner): Json | undefined {
  const c = s.peek();
  if (c === 34) return s.str() ?? undefined;
  if (c === 123) {
    if (!s.enter()) return undefined;
    const m = new Map<string, Json>();
    if (s.peek() === 125) {
      s.leave();
      return m;
    }
    for (;;) {
      const name = s.member();
      if (name === null) return undefined;
      const v = read(s);
      if (v === undefined) return undefined;
      m.set(name, v);
      const more = s.next(125);
      if (more !== true) return more === null ? m : undefined;
    }
  }
  if (c === 91) {
    if (!s.enter()) return undefined;
    const list: Json[] = [];
    if (s.peek() === 93) {
      s.leave();
      return list;
    }
    for (;;) {
      const v = read(s);
      if (v === undefined) return undefined;
      list.push(v);
      const more = s.next(93);
      if (more !== true) return more === null ? list : undefined;
    }
  }
  if (isDigit(c) || c === 45) {
    const raw = s.number();
    return raw === null ? undefined : new Num(raw);
  }
  if (!s.skip()) return undefined;
  return c === 110 ? null : c === 116;
}

/** Writes the tree as JSON; indented if indent is given. */
export function write(v: Json, indent = "", level = ""): string {
  const inner = indent && level + indent, nl = indent && "\n" + inner, end = indent && "\n" + level;
  if (v instanceof Num) return v.raw;
  if (Array.isArray(v)) return v.length ? "[" + nl + v.map((e) => write(e, indent, inner)).join("," + (nl || "")) + end + "]" : "[]";
  if (v instanceof Map) {
    const members = [...v].map(([k, e]) => JSON.stringify(k) + (indent ? ": " : ":") + write(e, indent, inner));
    return members.length ? "{" + nl + members.join("," + nl) + end + "}" : "{}";
  }
  return JSON.stringify(v);
}

/** The raw text of the first member called name of the object in text, as far as it can be read. */
export function member(text: string, name: string): string | undefined {
  const s = new Scanner(text);
  if (s.peek() !== 123 || !s.enter() || s.peek() === 125) return undefined;
  for (;;) {
    const got = s.member();
    if (got === null) return undefined;
    s.peek();
    const at = s.pos;
    if (!s.skip()) return undefined;
    if (got === name) return text.slice(at, s.pos);
    if (s.next(125) !== true) return undefined;
  }
}
