// Parses AsyncAPI documents with AsyncAPI's own parser. Every diagnostic is a fault, but that there is a newer
// version than 3.0.0, which fewer tools read. The parser has no telemetry, and the documents refer to nothing outside.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const parser = new Parser();
let faults = 0;
const mayBeEmpty = process.argv[2] === '--may-be-empty'; // a hidden router has no operation that shows
const files = process.argv.slice(mayBeEmpty ? 3 : 2);
for (const file of files) {
  const { document, diagnostics } = await parser.parse(readFileSync(file, 'utf8'), { source: file });
  const found = diagnostics.filter((d) => d.code !== 'asyncapi-latest-version');
  for (const d of found) console.error(`${file}: ${d.code}: /${d.path.join('/')}: ${d.message}`);
  const operations = document?.allOperations().length ?? 0;
  const empty = operations === 0 && !(document && mayBeEmpty);
  if (empty) console.error(`${file}: no operation was read`);
  if (found.length > 0 || empty) faults++;
  else console.log(`${file}: ${document.allChannels().length} channels, ${operations} operations, ${document.allMessages().length} messages`);
}
if (files.length === 0 || faults > 0) process.exit(1);
