й▐o≈у	╫1ГX dd▓Ч╤╨■[ёXSйy
rЕMэ┐~=╞Ф░мA%Bы╞wZ0НOa
лt-bяcпиu⌡Б