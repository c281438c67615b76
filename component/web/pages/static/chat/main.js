document.body.append("Chat");
