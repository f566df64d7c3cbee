-- loses: the catalogue of actors, and who chose which
UPDATE users SET favorite_actor = NULL;
DELETE FROM actors;
