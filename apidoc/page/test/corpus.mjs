// Holds the page's engine against the verdicts of package schema on every input of its corpus.
// node test/corpus.mjs [corpus.json]
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

// What a printed schema cannot say, so that only the server knows. Each is a reason, and the inputs that it explains.
const known = {
  "the type's own decoder decides": ["codecs {\"addr\":\"nowhere\"}", "codecs {\"prefix\":\"10.0.0.0\"}", "codecs {\"even\":3}", "codecs {\"even\":\"x\"}", "codecs {\"even\":null}", "lists {\"addrs\":{\"nowhere\":1}}"],
  "{} is printed for any, whose numbers must be finite, and for raw JSON": ["codecs {\"raw\":[1e400,{\"a\":\"b\"}]}"],
  "nothing is printed for other members that may be anything": ["names {\"type\":\"c\",\"x\":1e400}"],
  "the bits of an integer in a string or in a name are not printed": ["scalars {\"qu\":\"256\"}"],
  "time.Time takes no leap second, time.Duration no years and no months": ["moments {\"at\":\"2016-12-31T23:59:60Z\"}", "moments {\"iso\":\"P1Y\"}", "moments {\"iso\":\"P1M\"}", "moments {\"iso\":\"P106752D\"}", "moments {\"iso\":\"P99999999999999999999D\"}"],
};
const partly = "lists {\"ints\":{\"128\":\"a\",\"01\":\"b\",\"-0\":\"c\",\"x\":\"d\",\"\":\"e\",\"1.0\":\"f\"}}"; // 128 does not fit int8

const corpus = JSON.parse(await readFile(here + "/../../../schema/testdata/corpus.json", "utf8"));
const raw = engine.parse(await readFile(here + "/../../../schema/testdata/corpus.json", "utf8"));
const excused = new Set(Object.values(known).flat());

corpus.forEach((file, f) => {
  test(`corpus ${file.name}: ${file.inputs.length} inputs`, () => {
    const plan = engine.plan(raw[f].get("schema"), { discriminator: file.envelope.Discriminator, payload: file.envelope.Payload, id: file.envelope.ID });
    for (const input of file.inputs) {
      const got = input.bytes ? engine.validateBytes(Buffer.from(input.bytes, "base64"), plan) : engine.validate(input.data ?? "", plan);
      const label = `${file.name} ${input.data}`;
      if (excused.has(label)) {
        assert.notEqual(got.length === 0, input.issues.length === 0, `${label}: is excused for nothing`);
        continue;
      }
      let want = input.issues;
      if (label === partly) want = want.slice(1);
      const text = (i) => `${i.path} ${i.code}: ${i.message.replace(/(fits u?int)\d*$/, "$1")}`;
      assert.deepEqual(got.map(text), want.map(text), label);
      for (const i of got) assert.ok(i.at >= 0 && i.at <= i.end, `${label}: at ${i.at}–${i.end}`);
    }
  });
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
