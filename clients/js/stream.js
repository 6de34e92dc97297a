// Streams that carry cursors: which operations they are, and the newest cursor of a result. Not here: any client.

/** Whether a document can go on behind a cursor: it declares `$after`. */
export function resumes(document) {
  const declared = document.definitions.flatMap(({ variableDefinitions = [] }) => variableDefinitions);
  return declared.some(({ variable }) => variable.name.value === 'after');
}

/** The cursor of a message; undefined when it has none. */
export function cursorOf(data) {
  return Object.values(data ?? {}).find((frame) => typeof frame?.cursor === 'string')?.cursor;
}

/** The same variables, with an `after` that is read whenever they are sent. */
export function withCursor(variables, current) {
  return Object.defineProperty({ ...variables }, 'after', { enumerable: true, get: current });
}
