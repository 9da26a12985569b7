"""School: data, rewards, trainers and evaluation of models that prove what they say."""
