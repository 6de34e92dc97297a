// What a person does on the GraphiQL page, by its words and roles. Not here: what is expected of it (graphiql.test.mjs).

/** The page, ready to be used; its workers come last. */
export async function open(page, boxoffice) {
  const workers = ['editor', 'graphql', 'json'].map((name) =>
    page.waitForResponse((reply) => reply.url().endsWith(`/${name}.worker.js`)).then((reply) => reply.finished()),
  );
  await page.goto(`${boxoffice.origin}/graphiql`);
  await page.locator('.graphiql-execute-button').waitFor();
  await Promise.all(workers);
}

export const panel = (page) => page.getByRole('region', { name: 'Acting as' });
export const person = (page, name) => panel(page).getByRole('button', { name: new RegExp(`^${name}`) });
export const response = (page, text) => page.locator('.graphiql-response').filter({ hasText: text });
export const tabNames = (page) => page.getByRole('tab').allInnerTexts();

/** Signs in with a click and waits until the feed listens. */
export async function actAs(page, name) {
  await person(page, name).click();
  await live(page, name);
}

export async function live(page, name) {
  await panel(page).getByRole('region', { name: `Notices for ${name}` }).getByText('live', { exact: true }).waitFor();
}

/** Waits until a notice with this text is there. */
export const notice = (page, text) => notices(page).filter({ hasText: text }).first().waitFor();
export const notices = (page) => panel(page).getByRole('log').getByRole('listitem');

/** Opens a tab and waits until its variables are complete. */
export async function openTab(page, name) {
  await page.getByRole('tab', { name, exact: true }).click();
  await page.locator('.graphiql-query-editor').filter({ hasText: name }).waitFor();
}

/** Waits until the event of the open tab is filled in. The editor paints other spaces than were typed. */
export const eventFilledIn = (page) => page.locator('.graphiql-editor-tool').filter({ hasText: /"eventId":\s*"\w{8}/ }).waitFor();

/** Runs the open tab, or one of its operations, and says what the server answered. */
export async function run(page, operationName, { ofSeveral = false } = {}) {
  const replied = page.waitForResponse((reply) => sentBy(reply.request(), operationName) && reply.status() === 200);
  // GraphiQL takes a moment to learn how many operations a tab holds that was just opened; with several, the button opens a menu.
  await page.locator(`.graphiql-execute-button${ofSeveral ? '[aria-haspopup]' : ':not([aria-haspopup])'}`).click();
  if (ofSeveral) await page.getByRole('menuitem', { name: operationName }).click();
  return (await replied).json();
}

/** Whether the request carries this operation. */
export const sentBy = (request, operationName) =>
  request.url().endsWith('/graphql') && request.postDataJSON()?.operationName === operationName;

/** What the editor of the variables marks in the open tab, once it knows their types. GraphiQL shows Monaco as `__MONACO`. */
export async function marks(page) {
  await page.waitForFunction(() => {
    const { editor, languages } = globalThis.__MONACO;
    const { schemas } = languages.json.jsonDefaults.diagnosticsOptions;
    const text = editor.getModels().find(({ uri }) => uri.path.endsWith('operation.graphql')).getValue();
    const declared = [...text.matchAll(/\$(\w+): (\w+)/g)];
    const knows = ({ properties }) => declared.every(([, name, type]) => properties[name] && (properties[name].$ref ?? type).endsWith(type));
    return schemas?.some(({ schema }) => Object.keys(schema.properties).length === declared.length && knows(schema)); // else of another tab
  });
  return page.evaluate(async () => {
    const { editor, languages } = globalThis.__MONACO;
    const { uri } = editor.getModels().find(({ uri }) => uri.path.endsWith('variables.json'));
    const worker = await (await languages.json.getWorker())(uri);
    return (await worker.doValidation(uri.toString())).map(({ message }) => message);
  });
}
