// The page of the documentation, in the document's body.
import { createRoot } from 'react-dom/client';
import { load } from './usechat.jsx';

createRoot(document.body).render(await load('ada'));
