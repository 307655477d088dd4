// Regular expressions in time linear in the text, as the server matches them: a set of states that moves along the
// text (Thompson's construction), never a backtracking search that a peer could make run for years.
// It knows what package schema allows in a pattern; anything else is null: not checked here.

type Test = (c: number) => boolean;
interface State {
  test?: Test; // consumes a character
  assert?: "^" | "$" | "b" | "B";
  out: number;
  alt: number; // -1: none
}

const cache = new Map<string, ((text: string) => boolean | null) | null>();

/** Whether pattern matches anywhere in text; null if it cannot be checked here, or not in reasonable time. */
export function matches(pattern: string, text: string): boolean | null {
  let m = cache.get(pattern);
  if (m === undefined) {
    m = compile(pattern);
    cache.set(pattern, m);
  }
  return m && m(text);
}

const isWord: Test = (c) => (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || c === 95 || (c >= 97 && c <= 122);
const isDigit: Test = (c) => c >= 48 && c <= 57;
const isSpace: Test = (c) => (c >= 9 && c <= 13) || c === 32 || c === 0xa0 || c === 0x1680 || (c >= 0x2000 && c <= 0x200a) || c === 0x2028 || c === 0x2029 || c === 0x202f || c === 0x205f || c === 0x3000 || c === 0xfeff;
const isDot: Test = (c) => c !== 10 && c !== 13 && c !== 0x2028 && c !== 0x2029;
const classes: Record<string, Test> = { d: isDigit, w: isWord, s: isSpace, D: (c) => !isDigit(c), W: (c) => !isWord(c), S: (c) => !isSpace(c) };
const controls: Record<string, number> = { t: 9, n: 10, v: 11, f: 12, r: 13 };

class Unknown extends Error {}

type Part = (next: number) => number; // adds states that lead to next, returns the first

function compile(pattern: string): ((text: string) => boolean | null) | null {
  const src = [...pattern];
  const states: State[] = [];
  let i = 0, size = 0;
  const add = (s: Partial<State>): number => {
    if (++size > 50_000) throw new Unknown();
    return states.push({ out: -1, alt: -1, ...s }) - 1;
  };
  const sequence = (parts: Part[]): Part => (next) => parts.reduceRight((n, p) => p(n), next);

  function choice(): Part {
    const list = [series()];
    while (src[i] === "|") {
      i++;
      list.push(series());
    }
    return list.reduceRight((b, a) => (next) => {
      const left = a(next), right = b(next);
      return add({ out: left, alt: right });
    });
  }
  function series(): Part {
    const parts: Part[] = [];
    while (i < src.length && src[i] !== "|" && src[i] !== ")") parts.push(repeated());
    return sequence(parts);
  }
  function repeated(): Part {
    let p = atom();
    for (;;) {
      const c = src[i];
      let min = 0, max = Infinity;
      if (c === "*") i++;
      else if (c === "+") (min = 1), i++;
      else if (c === "?") (max = 1), i++;
      else if (c === "{") {
        const m = /^\{(\d+)(,(\d*))?\}/.exec(src.slice(i, i + 12).join(""));
        if (!m) throw new Unknown();
        i += m[0].length;
        min = +m[1]!;
        max = m[2] === undefined ? min : m[3] ? +m[3] : Infinity;
        if (max < min || min > 1000 || (max !== Infinity && max > 1000)) throw new Unknown();
      } else return p;
      if (src[i] === "?") i++; // lazy: it does not change whether there is a match
      p = repeat(p, min, max);
    }
  }
  function repeat(p: Part, min: number, max: number): Part {
    return (next) => {
      if (max === Infinity) {
        const loop = add({ alt: next });
        states[loop]!.out = p(loop);
        next = loop;
      } else {
        const end = next;
        for (let k = min; k < max; k++) next = add({ out: p(next), alt: end });
      }
      for (let k = 0; k < min; k++) next = p(next);
      return next;
    };
  }
  function atom(): Part {
    const c = src[i++]!;
    switch (c) {
      case "(": {
        if (src[i] === "?") {
          if (src[i + 1] !== ":") throw new Unknown();
          i += 2;
        }
        const p = choice();
        if (src[i++] !== ")") throw new Unknown();
        return p;
      }
      case "^":
      case "$":
        return (next) => add({ assert: c, out: next });
      case ".":
        return one(isDot);
      case "[":
        return one(set());
      case "\\": {
        const e = src[i]!;
        if (e === "b" || e === "B") {
          i++;
          return (next) => add({ assert: e, out: next });
        }
        const t = escape();
        return one(typeof t === "number" ? (x) => x === t : t);
      }
      case "*": case "+": case "?": case "{": case "}": case "]":
        throw new Unknown();
    }
    const code = c.codePointAt(0)!;
    return one((x) => x === code);
  }
  const one = (test: Test): Part => (next) => add({ test, out: next });
  function escape(): number | Test {
    const e = src[i++];
    if (e === undefined) throw new Unknown();
    if (classes[e]) return classes[e]!;
    if (controls[e] !== undefined) return controls[e]!;
    if ("^$\\.*+?()[]{}|/-".includes(e)) return e.charCodeAt(0);
    if (e === "x") {
      const hex = src.slice(i, i + 2).join("");
      if (!/^[0-9a-fA-F]{2}$/.test(hex)) throw new Unknown();
      i += 2;
      return parseInt(hex, 16);
    }
    throw new Unknown();
  }
  function set(): Test {
    const tests: Test[] = [];
    const not = src[i] === "^";
    if (not) i++;
    while (src[i] !== "]") {
      const low = element();
      if (src[i] === "-" && src[i + 1] !== "]" && typeof low === "number") {
        i++;
        const high = element();
        if (typeof high !== "number" || high < low) throw new Unknown();
        tests.push((c) => c >= low && c <= high);
      } else tests.push(typeof low === "number" ? (c) => c === low : low);
    }
    i++;
    return not ? (c) => !tests.some((t) => t(c)) : (c) => tests.some((t) => t(c));
  }
  function element(): number | Test {
    const c = src[i++];
    if (c === undefined || c === "[") throw new Unknown();
    return c === "\\" ? escape() : c.codePointAt(0)!;
  }

  try {
    const whole = choice();
    if (i < src.length) throw new Unknown();
    const done = add({});
    const start = whole(done);
    return (text) => run(states, start, done, text);
  } catch (e) {
    if (e instanceof Unknown) return null;
    throw e;
  }
}

const maxWork = 2_000_000; // steps from state to state: about 200 ms

function run(states: State[], start: number, done: number, text: string): boolean | null {
  let now: number[] = [], next: number[] = [];
  const mark = new Int32Array(states.length).fill(-1);
  let before = -1, step = 0, pos = 0, work = 0;
  for (;;) {
    const after = pos < text.length ? text.codePointAt(pos)! : -1;
    const stack = [start];
    for (let k = now.length - 1; k >= 0; k--) stack.push(now[k]!);
    const live: number[] = [];
    while (stack.length) {
      const id = stack.pop()!;
      if (id < 0 || mark[id] === step) continue;
      mark[id] = step;
      if (++work > maxWork) return null;
      const s = states[id]!;
      if (id === done) return true;
      if (s.test) live.push(id);
      else if (!s.assert || holds(s.assert, before, after)) stack.push(s.alt, s.out);
    }
    if (after < 0) return false;
    next.length = 0;
    for (const id of live) if (states[id]!.test!(after)) next.push(states[id]!.out);
    [now, next] = [next, now];
    before = after;
    pos += after > 0xffff ? 2 : 1;
    step++;
  }
}

function holds(assert: string, before: number, after: number): boolean {
  switch (assert) {
    case "^": return before < 0;
    case "$": return after < 0;
    default: return (isWord(before) !== isWord(after)) === (assert === "b");
  }
}
