// Asks the server which lines of a log match.

/** Return their numbers, how many there are, and whether all of the log was searched. */
export async function ask(url, query, signal) {
  const answer = await fetch(`${url}?${query}`, { signal });
  if (answer.status === 422) throw new Error((await answer.json()).error);
  if (!answer.ok) throw new Error("The server could not search just now.");
  return {
    numbers: new Uint32Array(await answer.arrayBuffer()),
    total: Number(answer.headers.get("Stepwell-Total")),
    isComplete: answer.headers.get("Stepwell-Complete") === "true",
  };
}
