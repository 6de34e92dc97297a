// Streams that carry cursors: detecting their operations, and reading the newest cursor of a result. Not here: any client.

/** True if a document can resume after a cursor: it declares `$after`. */
export function resumes(document) {
  const declared = document.definitions.flatMap(({ variableDefinitions = [] }) => variableDefinitions);
  return declared.some(({ variable }) => variable.name.value === 'after');
}

/** Returns the cursor of a message, or undefined. */
export function cursorOf(data) {
  return Object.values(data ?? {}).find((frame) => typeof frame?.cursor === 'string')?.cursor;
}

/** Returns the same variables with an `after` that is read each time they are sent. */
export function withCursor(variables, current) {
  return Object.defineProperty({ ...variables }, 'after', { enumerable: true, get: current });
}
