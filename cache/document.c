/* Placeholder until the JSON document tree lands. */ typedef int cache_document_unused;
