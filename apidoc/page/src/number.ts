// Numbers as they are written: nothing is rounded before it is judged.

/** digits × 10^exp, the digits without zeros at either end; none is zero. */
export interface Decimal {
  neg: boolean;
  digits: string;
  exp: number;
}

export function decimal(raw: string): Decimal {
  let neg = false, exp = 0;
  if (raw[0] === "-") {
    neg = true;
    raw = raw.slice(1);
  }
  const e = raw.search(/[eE]/);
  if (e >= 0) {
    exp = exponent(raw.slice(e + 1));
    raw = raw.slice(0, e);
  }
  const dot = raw.indexOf(".");
  if (dot >= 0) {
    exp -= raw.length - dot - 1;
    raw = raw.slice(0, dot) + raw.slice(dot + 1);
  }
  let from = 0, to = raw.length;
  while (from < to && raw[from] === "0") from++;
  while (to > from && raw[to - 1] === "0") {
    to--;
    exp++;
  }
  return from === to ? { neg: false, digits: "", exp: 0 } : { neg, digits: raw.slice(from, to), exp };
}

function exponent(s: string): number {
  const n = Math.min(Number(s.replace(/^[+-]/, "")), 1e9);
  return s[0] === "-" ? -n : n;
}

/** Compares exactly, in time linear in the digits. */
export function compare(a: Decimal, b: Decimal): number {
  if (a.neg !== b.neg) return a.neg ? -1 : 1;
  const c = compareAbs(a, b);
  return a.neg ? -c : c;
}

function compareAbs(a: Decimal, b: Decimal): number {
  if (!a.digits || !b.digits) return Math.sign(a.digits.length - b.digits.length);
  const m = a.exp + a.digits.length, n = b.exp + b.digits.length;
  if (m !== n) return m < n ? -1 : 1;
  return a.digits < b.digits ? -1 : a.digits > b.digits ? 1 : 0;
}

/** Whether d is a whole number of times m. */
export function isMultiple(d: Decimal, m: Decimal): boolean {
  if (!d.digits) return true;
  const shift = d.exp - m.exp;
  if (shift < 0 || !m.digits) return false;
  const mod = BigInt(m.digits);
  let r = 0n;
  for (let i = 0; i < d.digits.length; i += 15) {
    const part = d.digits.slice(i, i + 15);
    r = (r * 10n ** BigInt(part.length) + BigInt(part)) % mod;
  }
  let p = 10n % mod;
  for (let s = shift; s > 0; s = Math.floor(s / 2)) {
    if (s % 2 === 1) r = (r * p) % mod;
    p = (p * p) % mod;
  }
  return r === 0n;
}

export const key = (d: Decimal): string => (d.neg ? "-" : "") + d.digits + "e" + d.exp;
