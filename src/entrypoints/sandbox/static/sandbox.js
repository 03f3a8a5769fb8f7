// The control API and the stream of events.

export async function ask(path, body, method = body === undefined ? "GET" : "POST") {
  const request = { method };
  if (body !== undefined) {
    request.headers = { "Content-Type": "application/json" };
    request.body = JSON.stringify(body);
  }
  const response = await fetch(`/sandbox/api${path}`, request);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? response.statusText);
  return answer;
}

const KINDS = ["message", "update", "call", "user", "bot", "charge", "faults", "typing", "callback_answer", "commands", "webhook", "reset", "stripe_event", "stripe_call", "stripe_faults"];

// `handlers` has a function for each kind, and `connected(isIt)`.
export function listen(handlers) {
  const source = new EventSource("/sandbox/api/stream");
  for (const kind of KINDS) source.addEventListener(kind, (event) => handlers[kind]?.(JSON.parse(event.data)));
  source.addEventListener("hello", () => handlers.connected(true));
  source.addEventListener("error", () => handlers.connected(false));
}
