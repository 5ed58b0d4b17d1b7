INSERT INTO atende.passage_documents (tenant_id, collection, name, digest) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'use-multilingual-v3/4', 'horários', 'x');
INSERT INTO atende.passages (tenant_id, collection, id, document, position, heading, question, text) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'use-multilingual-v3/4', 'horários#1', 'horários', 0, '', 'Abrem?', 'Sim.');
INSERT INTO atende.passage_vectors (tenant_id, collection, passage, kind, vector) VALUES
    ('6f1d2c0a-4b7e-4f7b-9a53-1c9e5d7a2b10', 'use-multilingual-v3/4', 'horários#1', 0, '{0,0.6,0.8,0}');
