/** Options for the `config` of typescript-operations and typed-document-node. */
export declare const config: { scalars: Record<string, string>; useTypeImports: boolean; enumsAsTypes: boolean };
