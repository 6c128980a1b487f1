"""Changes of settings, model and lexicon while a log runs, in force from a log time on."""
