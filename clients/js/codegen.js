// Options for GraphQL code generation: the TypeScript type of each scalar. Not here: the operations.
import { scalars } from './schema.js';

/** Options for the `config` of typescript-operations and typed-document-node. */
export const config = { scalars, useTypeImports: true, enumsAsTypes: true };
