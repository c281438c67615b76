// Does with an archive what it is told, with stanza.js over WebSocket, and prints what it got as
// JSON. Reads its orders as JSON on stdin: jid, password, url, calls.

import { text } from "node:stream/consumers";
import { createClient } from "stanza";

const SECONDS = 20;

const orders = JSON.parse(await text(process.stdin));
const client = createClient({
  jid: orders.jid,
  password: orders.password,
  resource: "stanza",
  autoReconnect: false,
  transports: { websocket: orders.url, bosh: false },
});

// What can be asked for, by name.
const calls = {
  form: async () => {
    const form = await client.getHistorySearchForm();
    return Object.fromEntries(form.fields.map((field) => [field.name, field.type ?? null]));
  },
  preferences: () => client.getHistoryPreferences(),
  prefer: async (wanted) => (await client.setHistoryPreferences(wanted)).archive,
  search: async (options) => page(await search(options)),
  // All pages, by following what each of them says of its ends.
  pages: async ({ max, backwards = false, ...options }) => {
    const found = [];
    let edge = backwards ? "" : undefined;
    for (;;) {
      const paging = backwards ? { max, before: edge } : { max, after: edge };
      const answer = await search({ ...options, paging });
      found.push(page(answer));
      if (answer.complete) return found;
      edge = backwards ? answer.paging.first : answer.paging.last;
    }
  },
};

function search({ start, end, ...options }) {
  const times = { start: start && new Date(start), end: end && new Date(end) };
  return client.searchHistory({ ...options, ...times });
}

function page(answer) {
  const messages = answer.results.map(({ id, item }) => ({
    id,
    stamp: item.delay?.timestamp ?? null,
    from: item.message.from,
    to: item.message.to,
    body: item.message.body ?? null,
  }));
  return { messages, complete: answer.complete ?? false, paging: answer.paging };
}

async function obey({ call, options }) {
  try {
    return { value: await calls[call](options ?? {}) };
  } catch (refusal) {
    return { refused: refusal.error?.condition ?? String(refusal) };
  }
}

async function run() {
  await new Promise((resolve, reject) => {
    client.on("session:started", resolve);
    for (const trouble of ["auth:failed", "disconnected", "stream:error"]) {
      client.on(trouble, (why) => reject(new Error(`${trouble}: ${JSON.stringify(why)}`)));
    }
    client.connect();
  });
  const outcome = [];
  for (const one of orders.calls) outcome.push(await obey(one));
  await new Promise((resolve) => {
    client.on("disconnected", resolve);
    client.disconnect();
  });
  return outcome;
}

setTimeout(() => {
  console.error(`nothing after ${SECONDS} s`);
  process.exit(1);
}, SECONDS * 1000).unref();

const outcome = await run();
process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
