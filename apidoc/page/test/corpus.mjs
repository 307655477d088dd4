// Holds the page's engine against the verdicts of package schema on every input of its corpus.
import { build } from "esbuild";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import assert from "node:assert/strict";

const here = import.meta.dirname;
const bundle = await build({
  stdin: { contents: 'export * from "./src/validate.ts"; export * from "./src/schema.ts"; export * from "./src/scan.ts"; export * from "./src/text.ts"; export * from "./src/pattern.ts";', resolveDir: here + "/.." },
  bundle: true, format: "esm", write: false, target: "es2022",
});
const engine = await import("data:text/javascript;base64," + Buffer.from(bundle.outputFiles[0].contents).toString("base64"));
export default engine;

// What a printed schema cannot say, so that only one of the two knows: where, with which code, and why.
const known = [
  { file: "codecs", path: /^\/(addr|prefix|even)$/, code: /^(format|invalid)$/, why: "the type's own decoder decides" },
  { file: "lists", path: /^\/addrs\//, code: /^propertyNames$/, why: "the type's own decoder decides" },
  { file: "lists", path: /^\/ints\//, code: /^propertyNames$/, why: "the bits of an integer in a name are not printed" },
  { file: "scalars", path: /^\/qu$/, code: /^(minimum|maximum)$/, why: "the bits of an integer in a string are not printed" },
  { file: "codecs", path: /^\/raw/, code: /^(minimum|maximum)$/, why: "{} is printed for any, whose numbers must be finite, and for raw JSON" },
  { file: "names", path: /^\//, code: /^(minimum|maximum)$/, why: "nothing is printed for other members that may be anything" },
  { file: "moments", path: /^\/(at|isos?)(\/\d+)?$/, code: /^format$/, why: "time.Time takes no leap second, time.Duration no years, no months and no more than 292 years" },
];

const path = process.env.CORPUS ?? here + "/../../../schema/testdata/corpus.json"; // another one holds mutated inputs
const corpus = JSON.parse(await readFile(path, "utf8"));
const raw = engine.parse(await readFile(path, "utf8"));
const used = new Set();

corpus.forEach((file, f) => {
  test(`corpus ${file.name}: ${file.inputs.length} inputs`, () => {
    const plan = engine.plan(raw[f].get("schema"), { discriminator: file.envelope.Discriminator, payload: file.envelope.Payload, id: file.envelope.ID });
    const excused = (i) => {
      const k = known.find((k) => k.file === file.name && k.path.test(i.path) && k.code.test(i.code));
      if (k) used.add(k);
      return !!k;
    };
    for (const input of file.inputs) {
      const got = input.bytes ? engine.validateBytes(Buffer.from(input.bytes, "base64"), plan) : engine.validate(input.data ?? "", plan);
      const text = (i) => `${i.path} ${i.code}: ${i.message.replace(/(fits u?int)\d*$/, "$1")}`;
      const same = (a, b) => a.some((i) => text(i) === text(b));
      const here = got.filter((i) => same(input.issues, i) || !excused(i)), there = input.issues.filter((i) => same(got, i) || !excused(i));
      assert.deepEqual(here.map(text), there.map(text), `${file.name} ${input.data ?? input.bytes}`);
      for (const i of got) assert.ok(i.at >= 0 && i.at <= i.end, `${file.name} ${input.data}: at ${i.at}–${i.end}`);
    }
  });
});

test("every excuse is needed", () => {
  if (process.env.CORPUS) for (const k of known) assert.ok(used.has(k), k.why);
});

test("patterns are linear", () => {
  const began = performance.now();
  assert.equal(engine.matches("^(a+)+$", "a".repeat(50_000) + "!"), false);
  assert.equal(engine.matches("(x*)*y", "x".repeat(50_000)), false);
  assert.equal(engine.matches("^([a-z]{1,100}){1,100}$", "a".repeat(5_000) + "!"), null); // too much work to say
  assert.ok(performance.now() - began < 2000, `${performance.now() - began} ms`);
});

test("patterns mean what ECMA-262 says", () => {
  const patterns = ["^[a-z]+-\\d{2}$", "^.$", "^\\s$", "a|bc|", "(ab|c)*d", "^(?:a|b){2,3}$", "x{0}y", "[^\\d\\-a-c]", "\\bfoo\\b", "\\Boo", "^\\x41[\\]\\\\]$", "a{2,}b??", "[a-]", "^$", "(^a|b$)", "é+", "^[^x]{2}$", "\\.\\*\\/", "a?a?a?aaa", "((a*)b?)+c"];
  const texts = ["", "a", "ab-12", "abc", "bc", "d", "abcd", "ababcd", "aab", "ba", "y", "foo", "a foo b", "food", "A]", "A\\", "aaa", "aab", "-", "é", "éé", "\u2028", "\r", "\ufeff", "😀", "😀😀", "x", ".*/", "aaaac", "B", " ", "oo"];
  for (const p of patterns) for (const t of texts) assert.equal(engine.matches(p, t), new RegExp(p, "u").test(t), `${p} on ${JSON.stringify(t)}`);
  for (const p of ["(?=a)", "(?<n>a)", "\\1", "[", "a{3,2}", "\\p{L}", "(a", "a)", "*"]) assert.equal(engine.matches(p, "a"), null, p);
});
