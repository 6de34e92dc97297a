/** Types of each interface. */
export declare const possibleTypes: Record<string, string[]>;
/** Lists, by type and field, with the arguments that distinguish separate lists. */
export declare const connections: Record<string, Record<string, string[] | false>>;
/** Values without an id: part of the object that contains them. */
export declare const values: string[];
/** Every type without an id: values, connections, edges, payloads, refusals. */
export declare const keyless: string[];
/** Type of each scalar in TypeScript: all of them are strings. */
export declare const scalars: Record<string, string>;
