// The page of the documentation, in the document's body.
import { createRoot } from 'react-dom/client';
import { Chat } from './assistant_ui.jsx';

createRoot(document.body).render(<Chat />);
