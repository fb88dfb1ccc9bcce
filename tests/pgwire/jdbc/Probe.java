import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;

/**
 * Calls methods as the lines of its input say, and answers each with a line of JSON: it knows nothing of
 * JDBC but how rows are read. A line is a command, a target, a method and arguments between tabs; a value
 * is a letter and a text (see {@link #value}). What is no plain value stays here, and gets a number.
 */
public class Probe {
    private static final Map<Integer, Object> KEPT = new ConcurrentHashMap<>();
    private static final String LIST_END = "\u001f";

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        var answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line; (line = lines.readLine()) != null; ) {
            answers.println(answer(line.split("\t", -1)));
        }
        System.exit(0);
    }

    private static String answer(String[] words) {
        try {
            return "{\"value\":" + json(done(words)) + "}";
        } catch (Throwable thrown) {
            Throwable cause = thrown;
            while (cause.getCause() != null
                    && (cause instanceof InvocationTargetException
                            || cause instanceof ExecutionException
                            || cause instanceof CompletionException)) {
                cause = cause.getCause();
            }
            String state = cause instanceof SQLException told ? told.getSQLState() : null;
            return "{\"error\":" + quoted(cause.getClass().getName())
                    + ",\"state\":" + quoted(state)
                    + ",\"message\":" + quoted(String.valueOf(cause.getMessage())) + "}";
        }
    }

    private static Object done(String[] words) throws Exception {
        Object target = value(words[1]);
        List<Object> arguments = new ArrayList<>();
        for (String word : Arrays.copyOfRange(words, 3, words.length)) {
            arguments.add(value(word));
        }
        switch (words[0]) {
            case "call":
                return called(target, words[2], arguments);
            case "later":
                return CompletableFuture.supplyAsync(() -> {
                    try {
                        return called(target, words[2], arguments);
                    } catch (Exception error) {
                        throw new CompletionException(error);
                    }
                });
            case "rows":
                return rows((ResultSet) target, words[2].equals("getString"));
            default:
                throw new IllegalArgumentException(words[0]);
        }
    }

    /** All rows that are left: each value as a text, or as its class and a text. */
    private static List<Object> rows(ResultSet found, boolean areStrings) throws SQLException {
        List<Object> rows = new ArrayList<>();
        int width = found.getMetaData().getColumnCount();
        while (found.next()) {
            List<Object> row = new ArrayList<>();
            for (int column = 1; column <= width; column++) {
                row.add(areStrings ? found.getString(column) : shown(found.getObject(column)));
            }
            rows.add(row);
        }
        return rows;
    }

    private static Object shown(Object value) throws SQLException {
        return value == null ? null : List.of(value.getClass().getSimpleName(), text(value));
    }

    private static String text(Object value) throws SQLException {
        if (value instanceof java.sql.Array array) {
            return text(array.getArray());
        }
        if (value instanceof byte[] bytes) {
            return HexFormat.of().formatHex(bytes);
        }
        if (value instanceof Object[] items) {
            return Arrays.deepToString(items);
        }
        return value.toString();
    }

    /** A number that was kept, a class, a list, or a value by the letter before its text. */
    private static Object value(String word) throws Exception {
        String text = word.substring(1);
        switch (word.charAt(0)) {
            case 'N':
                return null;
            case 'B':
                return text.equals("true");
            case 'I':
                long number = Long.parseLong(text);
                return number == (int) number ? (Object) (int) number : (Object) number;
            case 'D':
                return Double.valueOf(text);
            case 'S':
                return URLDecoder.decode(text, StandardCharsets.UTF_8);
            case 'X':
                return HexFormat.of().parseHex(text);
            case 'K':
                return KEPT.get(Integer.valueOf(text));
            case 'C':
                return Class.forName(text);
            case 'O':
                int space = text.indexOf(' ');
                return parsed(Class.forName(text.substring(0, space)), text.substring(space + 1));
            case 'A':
                List<Object> items = new ArrayList<>();
                for (String item : text.isEmpty() ? new String[0] : text.split(LIST_END)) {
                    items.add(value(item));
                }
                return items.toArray();
            default:
                throw new IllegalArgumentException(word);
        }
    }

    private static Object parsed(Class<?> type, String text) throws Exception {
        for (String name : List.of("valueOf", "parse", "fromString")) {
            for (Class<?> of : List.of(String.class, CharSequence.class)) {
                try {
                    return type.getMethod(name, of).invoke(null, text);
                } catch (NoSuchMethodException absent) {
                    continue;
                }
            }
        }
        return type.getConstructor(String.class).newInstance(text);
    }

    private static Object called(Object target, String name, List<Object> arguments)
            throws Exception {
        Class<?> type = target instanceof Class<?> itself ? itself : target.getClass();
        if (name.equals("new")) {
            return type.getConstructor().newInstance();
        }
        for (Method method : type.getMethods()) {
            Class<?>[] wanted = method.getParameterTypes();
            if (!method.getName().equals(name) || wanted.length != arguments.size()) {
                continue;
            }
            Object[] given = new Object[wanted.length];
            boolean fits = true;
            for (int index = 0; fits && index < wanted.length; index++) {
                given[index] = as(wanted[index], arguments.get(index));
                fits = given[index] != null || arguments.get(index) == null;
            }
            if (fits) {
                if (!method.canAccess(target instanceof Class<?> ? null : target)) {
                    method.setAccessible(true);
                }
                return method.invoke(target, given);
            }
        }
        throw new NoSuchMethodException(type.getName() + "." + name + arguments);
    }

    /** The value as a parameter of this type takes it; null when it does not. */
    private static Object as(Class<?> wanted, Object value) {
        if (value instanceof Number number && wanted.isPrimitive()) {
            return number(wanted, number);
        }
        if (value instanceof Boolean) {
            return wanted == boolean.class || wanted == Object.class ? value : null;
        }
        if (value instanceof Object[] items && wanted == String[].class) {
            return Arrays.copyOf(items, items.length, String[].class);
        }
        return wanted.isInstance(value) ? value : null;
    }

    private static Object number(Class<?> wanted, Number value) {
        if (value instanceof Double) {
            return wanted == double.class ? value
                    : wanted == float.class ? (Object) value.floatValue() : null;
        }
        return wanted == int.class && value instanceof Integer ? value
                : wanted == long.class ? (Object) value.longValue()
                : wanted == short.class ? (Object) value.shortValue()
                : wanted == byte.class ? (Object) value.byteValue()
                : null;
    }

    private static String json(Object value) throws SQLException {
        if (value == null || value instanceof Boolean || value instanceof Integer
                || value instanceof Long || value instanceof Short) {
            return String.valueOf(value);
        }
        if (value instanceof String text) {
            return quoted(text);
        }
        if (value instanceof List<?> items) {
            List<String> written = new ArrayList<>();
            for (Object item : items) {
                written.add(json(item));
            }
            return "[" + String.join(",", written) + "]";
        }
        if (value instanceof Object[] items) {
            return json(Arrays.asList(items));
        }
        if (isPlain(value)) {
            return json(shown(value));
        }
        int number = KEPT.size() + 1;
        KEPT.put(number, value);
        return "{\"kept\":" + number + "}";
    }

    private static boolean isPlain(Object value) {
        String name = value.getClass().getName();
        return value instanceof Number || value instanceof byte[] || value instanceof java.util.Date
                || value instanceof java.util.UUID || name.startsWith("java.time.")
                || name.startsWith("org.postgresql.util.PG");
    }

    private static String quoted(String text) {
        if (text == null) {
            return "null";
        }
        var written = new StringBuilder("\"");
        for (char each : text.toCharArray()) {
            if (each == '"' || each == '\\') {
                written.append('\\').append(each);
            } else if (each < ' ') {
                written.append(String.format("\\u%04x", (int) each));
            } else {
                written.append(each);
            }
        }
        return written.append('"').toString();
    }
}
