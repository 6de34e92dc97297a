import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Page and API share an origin, so neither CORS nor another address is needed; let your web server do the same.
const proxy = { '/graphql': { target: process.env.BOXOFFICE_URL ?? 'http://127.0.0.1:8080', ws: true } };

export default defineConfig({ plugins: [react()], server: { proxy }, preview: { proxy } });
