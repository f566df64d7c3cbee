UPDATE users SET favorite_actor = NULL;
DELETE FROM actors;
