import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Page and API share an origin, so that neither CORS nor a second address is needed; your web server should do the same.
const proxy = { '/graphql': { target: process.env.BOXOFFICE_URL ?? 'http://127.0.0.1:8080', ws: true } };

export default defineConfig({ plugins: [react()], server: { proxy }, preview: { proxy } });
