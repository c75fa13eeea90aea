// Asking the server.

const TIMEOUT_MS = 5000;

/** Whether the server answered the last time that it was asked for its status. */
export const connection = { isUp: false };

/** The server did not answer, or not with what was asked for. */
export class RequestError extends Error {
  constructor(message, answered = null) {
    super(message);
    this.answered = answered;
  }
}

/** Asks for something, and gives the answer and what `read` makes of its body. */
export async function request(path, read, headers = {}) {
  let answer;
  try {
    answer = await fetch(path, { headers, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (answer.ok) return [await read(answer), answer];
  } catch (problem) {
    throw new RequestError(problem.message);
  }
  if (answer.status === 304) return [null, answer];
  throw new RequestError(answer.statusText, answer.status);
}

export const getJson = async (path) => (await request(path, (answer) => answer.json()))[0];
