// Options for GraphQL code generation: what each scalar is in TypeScript. Not here: the operations.
import { scalars } from './schema.js';

/** For the `config` of typescript-operations and typed-document-node. */
export const config = { scalars, useTypeImports: true, enumsAsTypes: true };
